// Where large arrays come from.
#include "pages.hpp"

#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace eg {
namespace {

constexpr std::size_t kPage = 4096, kLargePage = std::size_t{2} << 20;

}  // namespace

void FreePages::operator()(unsigned char* memory) const { std::free(memory); }

std::unique_ptr<unsigned char[], FreePages> take_pages(std::size_t bytes) {
    const std::size_t page = bytes < kLargePage ? kPage : kLargePage;
    const std::size_t whole = (bytes + page - 1) / page * page;
    std::unique_ptr<unsigned char[], FreePages> memory(
        static_cast<unsigned char*>(std::aligned_alloc(page, whole)));
    if (!memory && whole > 0) throw std::bad_alloc();
#ifdef __linux__
    if (page == kLargePage) madvise(memory.get(), whole, MADV_HUGEPAGE);  // a wish: may fail
#endif
    return memory;
}

}  // namespace eg
