// Large arrays that are read from end to end for every frame.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>

namespace eg {

// Memory at the start of a page, in large pages where there are enough of them and the system has
// them: who reads each page once otherwise waits for its address. Throws std::bad_alloc.
struct FreePages {
    void operator()(unsigned char* memory) const;
};
std::unique_ptr<unsigned char[], FreePages> take_pages(std::size_t bytes);

// n values, not set.
template <typename T>
class Pages {
    static_assert(std::is_trivial_v<T>, "nothing is constructed here");

public:
    Pages() = default;
    explicit Pages(std::size_t n) : memory_(take_pages(n * sizeof(T))) {}
    T* data() { return reinterpret_cast<T*>(memory_.get()); }
    const T* data() const { return reinterpret_cast<const T*>(memory_.get()); }

private:
    std::unique_ptr<unsigned char[], FreePages> memory_;
};

}  // namespace eg
