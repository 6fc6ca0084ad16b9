# The short front of the CMake build. `make help` lists what there is.
BUILD        ?= build
FUZZ_SECONDS ?= 60
export BUILD FUZZ_SECONDS

help:
	@echo "make run      install what is missing, build, generate text          (MODEL=PATH, PROMPT=TEXT)"
	@echo "make test     install what is missing, build, run every test         (also under sanitizers)"
	@echo "make build    build the command and the library in $(BUILD)/"
	@echo "make asan     build and test with AddressSanitizer and UndefinedBehaviorSanitizer only"
	@echo "make fuzz     run each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS) seconds     (TARGET=NAME for one)"
	@echo "make bench    build and run the benchmarks"
	@echo "make install  install the command and the library                    (PREFIX=/usr/local, DESTDIR=)"
	@echo "make wheel    build the Python package in $(BUILD)/wheel/"
	@echo "make java     build the Java package and its native libraries in $(BUILD)/java/"
	@echo "make format   format every C file with clang-format"
	@echo "make deps     install the packages that make test and make fuzz need"
	@echo "make clean    remove what was built"

build:
	@scripts/install-deps.sh build
	@scripts/build.sh $(BUILD) -DCMAKE_BUILD_TYPE=Release

run: build
	@scripts/run.sh

test:
	@scripts/install-deps.sh build test
	@scripts/test.sh release sanitize

asan:
	@scripts/install-deps.sh build test
	@scripts/test.sh sanitize

fuzz:
	@scripts/install-deps.sh build test
	@scripts/fuzz.sh $(TARGET)

bench: build
	@scripts/bench.sh

install: build
	cmake --install $(BUILD) --prefix "$(or $(PREFIX),/usr/local)"

wheel:
	@scripts/install-deps.sh build wheel
	@scripts/build.sh $(BUILD) -DCMAKE_BUILD_TYPE=Release
	@python3 bindings/python/build_wheel.py $(BUILD) $(BUILD)/wheel

java:
	@scripts/install-deps.sh build java
	@scripts/build.sh $(BUILD) -DCMAKE_BUILD_TYPE=Release
	@TARGETS=java scripts/build.sh $(BUILD)
	@ls $(BUILD)/java/*.jar

format:
	@scripts/install-deps.sh format
	git ls-files '*.c' '*.h' ':!tests/golden' | xargs clang-format -i

deps:
	@scripts/install-deps.sh build test

clean:
	rm -rf build build-asan build-fuzz

.PHONY: help build run test asan fuzz bench install wheel java format deps clean
.DEFAULT_GOAL := help
