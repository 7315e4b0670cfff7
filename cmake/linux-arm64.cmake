# linux-arm64.cmake: a toolchain file. Debian's g++ for 64-bit ARM (g++-aarch64-linux-gnu), and the emulator that runs what it makes (qemu-user): for
# tests (npm run test:arm64). What is published is made by zig.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
