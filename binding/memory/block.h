// block.h: memory the add-on owns, and the count of what uses it: queued and running jobs, and views.
#pragma once
#include <stdint.h>
#include <stdlib.h>

#include <memory>

#include "../port/port.h"

namespace gradclip {

// Bytes that are many are known by their first: how much of them all nobody has touched yet. False where there is no memory to know them by.
bool note_large(uint8_t* data, int64_t size) noexcept;
void forget_large(uint8_t* data) noexcept;
int64_t untouched_bytes();

// Zeroed bytes at a 64-byte boundary; null data when the system has no such memory. Many of them are pages of their own: untouched at first, and the
// system's again when they are freed, where malloc would keep them among what is not. Where there is much to touch, we ask for huge pages: 512
// times fewer faults at first, and fewer misses of the TLB ever after.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(int64_t size) : size_(size) {
    const size_t align = align_of(size);
    mapped_ = size >= kMapped ? size_t(size) + align : 0;
    raw_ = mapped_ ? port::map_pages(mapped_) : calloc(size_t(size) + align, 1);
    if (raw_) place(raw_, align);
  }
  // Within memory that `keeper` keeps: zeroed, of room(size) bytes.
  Bytes(int64_t size, void* memory, std::shared_ptr<void> keeper) : size_(size), keeper_(std::move(keeper)) {
    place(memory, align_of(size));
  }
  static int64_t room(int64_t size) { return size + int64_t(align_of(size)); }
  // For what lives as long as a run and is written at once: not zeroed, and of malloc, which has it at hand for the next run.
  static Bytes unset(int64_t size) {
    Bytes b;
    b.size_ = size;
    b.raw_ = malloc(size_t(size) + 64);
    if (b.raw_) b.data_ = aligned(b.raw_, 64);
    return b;
  }
  Bytes(Bytes&& other) noexcept { swap(other); }
  Bytes& operator=(Bytes&& other) noexcept {
    swap(other);
    return *this;
  }
  Bytes(const Bytes&) = delete;
  ~Bytes() {
    if (large_) forget_large(data_);
    if (mapped_ && raw_)
      port::unmap_pages(raw_, mapped_);
    else
      free(raw_);
  }
  uint8_t* data() const { return data_; }
  int64_t size() const { return size_; }
  // Room for `size` bytes; contents are lost when it grows. False when out of memory.
  bool reserve(int64_t size) {
    if (data_ && size_ >= size) return true;
    *this = Bytes();   // first, lest both are there at once
    *this = Bytes(size);
    return data_ != nullptr;
  }

 private:
  static constexpr int64_t kHugePage = 2 << 20, kLarge = 64 << 20;
#ifdef __SANITIZE_ADDRESS__
  static constexpr int64_t kMapped = INT64_MAX;   // it watches the ends of what malloc gives
#else
  static constexpr int64_t kMapped = 1 << 17;
#endif
  static size_t align_of(int64_t size) { return size >= 2 * kHugePage ? kHugePage : 64; }
  void place(void* memory, size_t align) {
    data_ = aligned(memory, align);
    if (align == kHugePage) port::prefer_huge_pages(data_, size_t(size_) & ~(align - 1));
    large_ = size_ >= kLarge && note_large(data_, size_);
  }
  static uint8_t* aligned(void* at, size_t align) {
    return reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(at) + align - 1) & ~(align - 1));
  }
  void swap(Bytes& other) {
    int64_t size = size_;
    size_t mapped = mapped_;
    bool large = large_;
    void* raw = raw_;
    uint8_t* data = data_;
    size_ = other.size_, mapped_ = other.mapped_, large_ = other.large_, raw_ = other.raw_, data_ = other.data_;
    other.size_ = size, other.mapped_ = mapped, other.large_ = large, other.raw_ = raw, other.data_ = data;
    keeper_.swap(other.keeper_);
  }
  int64_t size_ = 0;
  size_t mapped_ = 0;   // bytes of the pages; 0: malloc's
  bool large_ = false;
  void* raw_ = nullptr;
  uint8_t* data_ = nullptr;
  std::shared_ptr<void> keeper_;
};

// All fields but the bytes are touched by the JavaScript thread alone.
struct Block {
  Bytes bytes;
  int users = 0;     // jobs queued or running that read or write it
  int writers = 0;   // of these, the ones that write
  int beside = 0;    // and the ones that run beside the executor
  int views = 0;     // ArrayBuffers on its bytes
  bool disposed = false;

  explicit Block(Bytes memory) : bytes(std::move(memory)) {}
  void use(bool writes, bool apart = false) {
    users++;
    writers += writes;
    beside += apart;
  }
  void unuse(bool writes, bool apart = false) {
    users--;
    writers -= writes;
    beside -= apart;
    release();
  }
  void unview() {
    views--;
    release();
  }
  void dispose() {
    disposed = true;
    release();
  }

 private:
  void release() {
    if (disposed && users == 0 && views == 0) Bytes freed(static_cast<Bytes&&>(bytes));
  }
};

}   // namespace gradclip
