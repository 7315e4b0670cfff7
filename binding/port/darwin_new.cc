// darwin_new.cc: operator new and delete of this library alone. Those of the C++ library that is linked in may be replaced, so they would be exported,
// and macOS would take them for the whole process, or others for ours.
#include <stdlib.h>

#include <new>

namespace {

void* given(size_t size, size_t align) noexcept {
  if (size == 0) size = 1;
  if (align <= alignof(max_align_t)) return malloc(size);
  void* at = nullptr;
  return posix_memalign(&at, align, size) == 0 ? at : nullptr;
}

void* given_or_thrown(size_t size, size_t align) {
  void* const at = given(size, align);
  if (!at) throw std::bad_alloc();
  return at;
}

}   // namespace

using Align = std::align_val_t;
using Quiet = const std::nothrow_t&;
constexpr size_t kAlign = alignof(max_align_t);

void* operator new(size_t size) { return given_or_thrown(size, kAlign); }
void* operator new[](size_t size) { return given_or_thrown(size, kAlign); }
void* operator new(size_t size, Align align) { return given_or_thrown(size, size_t(align)); }
void* operator new[](size_t size, Align align) { return given_or_thrown(size, size_t(align)); }
void* operator new(size_t size, Quiet) noexcept { return given(size, kAlign); }
void* operator new[](size_t size, Quiet) noexcept { return given(size, kAlign); }
void* operator new(size_t size, Align align, Quiet) noexcept { return given(size, size_t(align)); }
void* operator new[](size_t size, Align align, Quiet) noexcept { return given(size, size_t(align)); }
void operator delete(void* at) noexcept { free(at); }
void operator delete[](void* at) noexcept { free(at); }
void operator delete(void* at, size_t) noexcept { free(at); }
void operator delete[](void* at, size_t) noexcept { free(at); }
void operator delete(void* at, Align) noexcept { free(at); }
void operator delete[](void* at, Align) noexcept { free(at); }
void operator delete(void* at, size_t, Align) noexcept { free(at); }
void operator delete[](void* at, size_t, Align) noexcept { free(at); }
void operator delete(void* at, Quiet) noexcept { free(at); }
void operator delete[](void* at, Quiet) noexcept { free(at); }
void operator delete(void* at, Align, Quiet) noexcept { free(at); }
void operator delete[](void* at, Align, Quiet) noexcept { free(at); }
