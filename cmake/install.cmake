# What `make install` puts in place: the command, both libraries, the headers, and package files for pkg-config and CMake
# that find the rest relative to themselves, so that an installed tree can be moved.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/deepseek)

set_target_properties(ds_shared PROPERTIES EXPORT_NAME deepseek)
set_target_properties(ds_static PROPERTIES EXPORT_NAME deepseek_static)
install(TARGETS deepseek)
install(TARGETS ds_shared EXPORT shared)
install(TARGETS ds_static EXPORT static)
install(FILES models/nano.gguf DESTINATION ${CMAKE_INSTALL_DATADIR}/deepseek/models) # deepseek/nano; src/hub/hub.c finds it
install(DIRECTORY include/deepseek DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES bindings/cpp/deepseek.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT shared NAMESPACE deepseek:: FILE deepseekTargets.cmake DESTINATION ${package})
install(EXPORT static NAMESPACE deepseek:: FILE deepseekStaticTargets.cmake DESTINATION ${package})

configure_package_config_file(cmake/deepseekConfig.cmake.in ${CMAKE_BINARY_DIR}/deepseekConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/deepseekConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/deepseekConfig.cmake ${CMAKE_BINARY_DIR}/deepseekConfigVersion.cmake DESTINATION ${package})

file(RELATIVE_PATH DS_INCLUDE_FROM_LIB /${CMAKE_INSTALL_LIBDIR} /${CMAKE_INSTALL_INCLUDEDIR})
list(JOIN DS_PACKAGES " " DS_REQUIRES)
configure_file(cmake/deepseek.pc.in ${CMAKE_BINARY_DIR}/deepseek.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/deepseek.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
