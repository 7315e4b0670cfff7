// windows.cc: Windows 10 and later.
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#define PSAPI_VERSION 2
#include <windows.h>
// after windows.h
#include <psapi.h>

#include <algorithm>
#include <new>

#include "port.h"

namespace gradclip {
namespace port {
namespace {

struct Started {
  HANDLE thread;
  void (*body)(void* arg);
  void* arg;
};

// CPUs of the processor groups that this process's threads are in. Windows 11 spreads them over all groups, earlier ones start a process in one.
int cpus_of_groups() {
  USHORT groups[64];
  USHORT count = 64;
  if (!GetProcessGroupAffinity(GetCurrentProcess(), &count, groups)) return 0;
  DWORD cpus = 0;
  for (USHORT k = 0; k < count; k++) cpus += GetActiveProcessorCount(groups[k]);
  return count > 1 ? int(cpus) : 0;
}

}   // namespace

bool Thread::start(void (*body)(void* arg), void* arg, size_t stack) noexcept {
  auto* const started = new (std::nothrow) Started{nullptr, body, arg};
  if (!started) return false;
  const auto enter = [](void* self) -> DWORD {
    const Started& of = *static_cast<Started*>(self);
    of.body(of.arg);
    return 0;
  };
  started->thread = CreateThread(nullptr, stack, enter, started, STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
  if (started->thread)
    handle_ = started;
  else
    delete started;
  return handle_ != nullptr;
}

void Thread::join() noexcept {
  auto* const started = static_cast<Started*>(handle_);
  WaitForSingleObject(started->thread, INFINITE);
  CloseHandle(started->thread);
  delete started;
  handle_ = nullptr;
}

void sleep_while(const std::atomic<uint32_t>& value, uint32_t old) noexcept {
  WaitOnAddress(const_cast<std::atomic<uint32_t>*>(&value), &old, sizeof old, INFINITE);
}

void wake_all(const std::atomic<uint32_t>& value) noexcept { WakeByAddressAll(const_cast<std::atomic<uint32_t>*>(&value)); }

Cpus usable_cpus() noexcept {
  if (const int cpus = cpus_of_groups()) return {cpus, "affinity"};
  DWORD_PTR own = 0, system = 0;
  GetProcessAffinityMask(GetCurrentProcess(), &own, &system);
  return {std::max(1, __builtin_popcountll(own)), "affinity"};
}

// The hard limit of the job that the process is in, a share of all CPUs: containers have one.
Cpus quota() {
  JOBOBJECT_CPU_RATE_CONTROL_INFORMATION rate = {};
  if (!QueryInformationJobObject(nullptr, JobObjectCpuRateControlInformation, &rate, sizeof rate, nullptr)) return {0, ""};
  constexpr DWORD kHard = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
  if ((rate.ControlFlags & kHard) != kHard) return {0, ""};
  constexpr int64_t kWhole = 10000;
  const int64_t all = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
  return {int(std::max<int64_t>(1, (all * rate.CpuRate + kWhole - 1) / kWhole)), "job object"};
}

void* map_pages(size_t bytes) noexcept { return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); }

void unmap_pages(void* at, size_t) noexcept { VirtualFree(at, 0, MEM_RELEASE); }

void prefer_huge_pages(void*, size_t) noexcept {}   // a right of its own, which few users have

Library::Library(const char*) : error("there is no library of MPI that is known on Windows") {}
void* Library::find(const char*) const { return handle_; }

int64_t unread_bytes(int) noexcept { return -1; }

void nap(int64_t ns) noexcept { Sleep(DWORD(ns / 1000000 + 1)); }

size_t page_size() noexcept {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

bool is_resident(void* page) noexcept {
  PSAPI_WORKING_SET_EX_INFORMATION asked = {};
  asked.VirtualAddress = page;
  return !QueryWorkingSetEx(GetCurrentProcess(), &asked, sizeof asked) || asked.VirtualAttributes.Valid;
}

// Of the process: process.env does not change the copy that the C library has made.
std::string environment(const char* name) {
  std::string value(GetEnvironmentVariableA(name, nullptr, 0), 0);   // with the zero at its end
  value.resize(GetEnvironmentVariableA(name, value.data(), DWORD(value.size())));
  return value;
}

void stay_loaded() noexcept {
  HMODULE self;
  GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<const char*>(&stay_loaded), &self);
}

}   // namespace port
}   // namespace gradclip
