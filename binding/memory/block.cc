// block.cc: which of the memory that was given is not there yet.
#include "block.h"

#include <map>
#include <mutex>

namespace gradclip {
namespace {

// Of all environments. Never freed: blocks may outlive exit().
struct Large {
  std::mutex mutex;
  std::map<uint8_t*, int64_t> sizes;
};
Large& large() {
  static Large* const all = new Large();
  return *all;
}

}   // namespace

bool note_large(uint8_t* data, int64_t size) noexcept {
  try {
    std::lock_guard<std::mutex> lock(large().mutex);
    large().sizes[data] = size;
    return true;
  } catch (...) {
    return false;
  }
}

void forget_large(uint8_t* data) noexcept {
  std::lock_guard<std::mutex> lock(large().mutex);
  large().sizes.erase(data);
}

int64_t untouched_bytes() {
  constexpr int64_t kStride = 2 << 20;   // a huge page; where pages are small, a sample
  const uintptr_t page = port::page_size();
  std::lock_guard<std::mutex> lock(large().mutex);
  int64_t bytes = 0;
  for (const auto& [data, size] : large().sizes) {
    for (int64_t at = 0; at < size; at += kStride) {
      void* const start = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(data) + uintptr_t(at)) & ~(page - 1));
      if (!port::is_resident(start)) bytes += size - at < kStride ? size - at : kStride;
    }
  }
  return bytes;
}

}   // namespace gradclip
