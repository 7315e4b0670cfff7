# zig.cmake: a toolchain file. zig is clang with the C and C++ libraries of every system, so it compiles for all of them on any: the prebuilt add-ons are
# made by it. GRADCLIP_ZIG: the program (default zig); GRADCLIP_TARGET: processor, system and C library as zig names them, such as
# x86_64-linux-gnu.2.17 (default those of this machine).
set(GRADCLIP_ZIG zig CACHE STRING "the program zig")
set(GRADCLIP_TARGET "" CACHE STRING "processor, system and C library as zig names them")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES GRADCLIP_ZIG GRADCLIP_TARGET)

set(target "${GRADCLIP_TARGET}")
if(NOT target)
  # Without a target zig compiles for the very processor that it runs on, and older ones of its family could not run that.
  set(names_Linux linux)
  set(names_Darwin macos)
  set(names_Windows windows-gnu)
  string(TOLOWER "${CMAKE_HOST_SYSTEM_PROCESSOR}" processor)
  string(REPLACE amd64 x86_64 processor "${processor}")
  string(REPLACE arm64 aarch64 processor "${processor}")
  set(target "${processor}-${names_${CMAKE_HOST_SYSTEM_NAME}}")
endif()
if(NOT target MATCHES "^([a-z0-9_]+)-(linux|macos|windows)")
  message(FATAL_ERROR "GRADCLIP_TARGET: expected a target for linux, macos or windows as zig names it, got ${target}")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
set(names_linux Linux)
set(names_macos Darwin)
set(names_windows Windows)
set(CMAKE_SYSTEM_NAME ${names_${CMAKE_MATCH_2}})
# It compiles its C++ library once for each set of options: what CMake tries is to have those of the add-on.
set(CMAKE_TRY_COMPILE_CONFIGURATION Release)
# Else it writes what debuggers want, which takes time.
set(CMAKE_CXX_COMPILER ${GRADCLIP_ZIG} c++ -target ${target} -g0)
# It takes the least processor of a family where a target is named, and none of the names that other compilers know.
set(GRADCLIP_BASELINE "")
