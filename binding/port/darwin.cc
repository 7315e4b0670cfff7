// darwin.cc: macOS.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <time.h>

#include "parking.h"
#include "port.h"

namespace gradclip {
namespace port {
namespace {

// <os/os_sync_wait_on_address.h>, since macOS 14.4. Before, there is no public way to sleep on an address.
struct OsSync {
  int (*wait_on_address)(void* at, uint64_t value, size_t size, uint32_t flags);
  int (*wake_by_address_all)(void* at, size_t size, uint32_t flags);
};

const OsSync& os_sync() {
  static const OsSync found = [] {
    OsSync f{reinterpret_cast<decltype(f.wait_on_address)>(dlsym(RTLD_DEFAULT, "os_sync_wait_on_address")),
             reinterpret_cast<decltype(f.wake_by_address_all)>(dlsym(RTLD_DEFAULT, "os_sync_wake_by_address_all"))};
    return f.wait_on_address && f.wake_by_address_all ? f : OsSync{};
  }();
  return found;
}

Parking& parking() {
  static Parking* const parking = new Parking();   // never freed: runs may outlive exit()
  return *parking;
}

void* address(const std::atomic<uint32_t>& value) { return const_cast<std::atomic<uint32_t>*>(&value); }

}   // namespace

void sleep_while(const std::atomic<uint32_t>& value, uint32_t old) noexcept {
  if (os_sync().wait_on_address)
    os_sync().wait_on_address(address(value), old, sizeof old, 0);
  else
    parking().sleep_while(value, old);
}

void wake_all(const std::atomic<uint32_t>& value) noexcept {
  if (os_sync().wake_by_address_all)
    os_sync().wake_by_address_all(address(value), sizeof(uint32_t), 0);
  else
    parking().wake_all(value);
}

// A step waits for its slowest thread, so cores that save energy would make it slower. macOS binds no process to CPUs.
Cpus usable_cpus() noexcept {
  for (const char* name : {"hw.perflevel0.logicalcpu", "hw.logicalcpu"}) {
    int count = 0;
    size_t size = sizeof count;
    if (sysctlbyname(name, &count, &size, nullptr, 0) == 0 && count > 0) return {count, "performance cores"};
  }
  return {1, "performance cores"};
}

Cpus quota() { return {0, ""}; }

void prefer_huge_pages(void*, size_t) noexcept {}   // those of 16 kB are all there are

bool is_resident(void* page) noexcept {
  char there = MINCORE_INCORE;
  return mincore(page, page_size(), &there) != 0 || (there & MINCORE_INCORE);
}

void stay_loaded() noexcept {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&stay_loaded), &info)) dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

int64_t unread_bytes(int file) noexcept {
  struct stat found;
  int bytes = 0;
  socklen_t size = sizeof bytes;
  if (fstat(file, &found) != 0) return 0;
  if (S_ISFIFO(found.st_mode)) return -1;   // the end that is written to does not know
  if (!S_ISSOCK(found.st_mode)) return 0;
  return getsockopt(file, SOL_SOCKET, SO_NWRITE, &bytes, &size) == 0 ? bytes : -1;
}

void nap(int64_t ns) noexcept {
  const timespec time{time_t(ns / 1000000000), long(ns % 1000000000)};
  nanosleep(&time, nullptr);
}

}   // namespace port
}   // namespace gradclip
