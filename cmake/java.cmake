# The Java package, where there is a JDK: java/deepseek-VERSION.jar and libdeepseek_jni.so, with all of libdeepseek inside and only the
# functions that Java calls visible. The target `java` makes the JAR of native libraries too.
find_program(DS_JAVAC javac)
find_program(DS_JAR jar)
if(NOT DS_JAVAC OR NOT DS_JAR)
  return()
endif()
file(REAL_PATH ${DS_JAVAC} javac)
get_filename_component(DS_JAVA_HOME ${javac} DIRECTORY)
get_filename_component(DS_JAVA_HOME ${DS_JAVA_HOME} DIRECTORY)
find_path(DS_JNI_INCLUDE jni.h HINTS ${DS_JAVA_HOME}/include $ENV{JAVA_HOME}/include)
find_path(DS_JNI_MD_INCLUDE jni_md.h HINTS ${DS_JNI_INCLUDE}/linux ${DS_JNI_INCLUDE})
if(NOT DS_JNI_INCLUDE OR NOT DS_JNI_MD_INCLUDE)
  return()
endif()

set(java ${CMAKE_BINARY_DIR}/java)
set(DS_MAIN_JAR ${java}/deepseek-${PROJECT_VERSION}.jar)
file(GLOB DS_JAVA_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bindings/java/src/main/java/deepseek/*.java)
file(WRITE ${java}/MANIFEST.MF "Automatic-Module-Name: deepseek\nImplementation-Title: deepseek\nImplementation-Version: ${PROJECT_VERSION}\n")
add_custom_command(
  OUTPUT ${DS_MAIN_JAR} ${java}/include/deepseek_Native.h
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${java}/classes
  COMMAND ${DS_JAVAC} --release 11 -encoding UTF-8 -Xlint:all,-options -Werror -d ${java}/classes -h ${java}/include ${DS_JAVA_SOURCES}
  COMMAND ${DS_JAR} --create --file ${DS_MAIN_JAR} --manifest ${java}/MANIFEST.MF -C ${java}/classes .
  DEPENDS ${DS_JAVA_SOURCES} VERBATIM)
add_custom_target(ds_java_classes ALL DEPENDS ${DS_MAIN_JAR})

file(GLOB DS_JNI_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bindings/java/jni/*.c)
add_library(ds_jni SHARED ${DS_JNI_SOURCES} ${java}/include/deepseek_Native.h)
add_dependencies(ds_jni ds_java_classes)
set_target_properties(ds_jni PROPERTIES OUTPUT_NAME deepseek_jni LINK_DEPENDS ${CMAKE_SOURCE_DIR}/bindings/java/jni/exports.map)
target_include_directories(ds_jni PRIVATE ${java}/include)
target_include_directories(ds_jni SYSTEM PRIVATE ${DS_JNI_INCLUDE} ${DS_JNI_MD_INCLUDE})
target_link_libraries(ds_jni PRIVATE ds_static)
target_link_options(ds_jni PRIVATE -Wl,--as-needed -Wl,--gc-sections -Wl,--version-script=${CMAKE_SOURCE_DIR}/bindings/java/jni/exports.map)

find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
  add_custom_target(java COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/bindings/java/build_natives.py ${CMAKE_BINARY_DIR} ${java}
                    DEPENDS ds_jni ${DS_MAIN_JAR} VERBATIM)
endif()
