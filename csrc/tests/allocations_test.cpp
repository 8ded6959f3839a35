// Once running, nothing allocates: every form of operator new, the C library's functions and mmap
// are counted while frames are measured and scored at each SIMD level.
//
// The linker puts the functions below in the place of malloc and its like for everything that is
// linked statically (--wrap, see CMakeLists.txt): the kernels and this program.
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>

#include "check.hpp"
#include "kernels.hpp"

namespace {

std::atomic<std::size_t> allocations{0};

void* counted(void* memory) {
    ++allocations;
    return memory;
}

void* take(std::size_t size) {
    void* memory = std::malloc(size);  // counts itself: see --wrap
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

void* take(std::size_t size, std::align_val_t alignment) {
    const auto align = static_cast<std::size_t>(alignment);
    void* memory = std::aligned_alloc(align, (size + align - 1) / align * align);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

extern "C" {
void* __real_malloc(std::size_t);
void* __real_calloc(std::size_t, std::size_t);
void* __real_realloc(void*, std::size_t);
void* __real_aligned_alloc(std::size_t, std::size_t);
int __real_posix_memalign(void**, std::size_t, std::size_t);
void* __real_mmap(void*, std::size_t, int, int, int, off_t);

void* __wrap_malloc(std::size_t n) { return counted(__real_malloc(n)); }
void* __wrap_calloc(std::size_t n, std::size_t size) { return counted(__real_calloc(n, size)); }
void* __wrap_realloc(void* p, std::size_t n) { return counted(__real_realloc(p, n)); }
void* __wrap_aligned_alloc(std::size_t a, std::size_t n) {
    return counted(__real_aligned_alloc(a, n));
}
int __wrap_posix_memalign(void** p, std::size_t a, std::size_t n) {
    ++allocations;
    return __real_posix_memalign(p, a, n);
}
void* __wrap_mmap(void* p, std::size_t n, int prot, int flags, int file, off_t at) {
    return counted(__real_mmap(p, n, prot, flags, file, at));
}
}

void* operator new(std::size_t n) { return take(n); }
void* operator new[](std::size_t n) { return take(n); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return std::malloc(n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return std::malloc(n); }
void* operator new(std::size_t n, std::align_val_t a) { return take(n, a); }
void* operator new[](std::size_t n, std::align_val_t a) { return take(n, a); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

using namespace eg;

std::mt19937 generator(7);

std::vector<float> normal(std::size_t n) {
    std::normal_distribution<float> distribution;
    std::vector<float> values(n);
    for (float& v : values) v = distribution(generator);
    return values;
}

std::vector<std::uint8_t> bytes(std::size_t n) {
    std::vector<std::uint8_t> values(n);
    for (auto& v : values) v = static_cast<std::uint8_t>(generator());
    return values;
}

Matrix matrix(std::size_t rows, std::size_t columns) {
    return {normal(rows * columns), rows, columns};
}

constexpr std::size_t kNumbers = 98;  // statistics and levels of an image

std::shared_ptr<const View> tap_view() {
    return std::make_shared<View>(0, 32, std::vector<float>(), matrix(2, 96), matrix(5, 96),
                                  std::vector<float>(5, 1.0f), 1.0, matrix(300, 96), normal(96),
                                  normal(192));
}

std::shared_ptr<const View> picture_view() {
    const std::vector<std::int32_t> columns = {0, 1, 2, 3, 22, 23};
    return std::make_shared<View>(-1, 0, normal(6), matrix(1, 6), matrix(4, 6),
                                  std::vector<float>(4, 1.0f), 1.0, matrix(70, 6), normal(6),
                                  std::vector<float>(), columns);
}

// The counters count: each way to allocate moves them.
void test_counters() {
    const auto counts = [](auto allocate) {
        const std::size_t before = allocations;
        allocate();
        return allocations > before;
    };
    struct alignas(128) Wide {
        char bytes[256];
    };
    void* volatile kept = nullptr;  // or the compiler leaves out what is never used
    CHECK(counts([&] { kept = new int(1); delete static_cast<int*>(kept); }));
    CHECK(counts([&] { kept = new char[99]; delete[] static_cast<char*>(kept); }));
    CHECK(counts([&] { kept = new Wide; delete static_cast<Wide*>(kept); }));
    CHECK(counts([&] { kept = new (std::nothrow) int(1); delete static_cast<int*>(kept); }));
    CHECK(counts([&] { kept = std::malloc(9); std::free(kept); }));
    CHECK(counts([&] { kept = std::calloc(9, 9); std::free(kept); }));
    CHECK(counts([&] { kept = std::realloc(nullptr, 9); std::free(kept); }));
}

struct Pictures {
    std::vector<std::uint8_t> pixels = bytes(300 * 64 * 3);
    Image small = {pixels.data(), 40, 50, 3, 150, 3, 1};
    Image large = {pixels.data(), 300, 64, 3, 192, 3, 1};
    Image gray = {pixels.data(), 300, 64, 1, 64, 1, 0};
    Image mirrored = {pixels.data() + 40 * 150 - 1, 40, 50, 3, -150, -3, -1};
};

void measure(const Pictures& pictures, float* statistics, float* cells) {
    for (const Image& image : {pictures.small, pictures.large, pictures.gray, pictures.mirrored}) {
        image_statistics(image, statistics, cells);
    }
}

void test_level(const std::string& level) {
    set_simd_level(level);
    const Tensor logits = {Dtype::int8, 1, 1, 10}, map = {Dtype::int8, 14, 14, 32};
    const Patches patches(0, matrix(20, 32), normal(20), matrix(120, 20), 3);
    Fusion fusion;
    const std::size_t scores = 3 + 3 + 2 + 1;
    fusion.center.assign(scores, 0), fusion.spread.assign(scores, 1);
    fusion.weight.assign(scores, 1), fusion.tail.assign(scores, 1);
    fusion.knee.assign(scores, 1), fusion.calibration = {1, 2, 3};
    Scorer scorer(&logits, {}, {map}, kNumbers, {tap_view(), picture_view()}, &fusion, &patches);
    const std::vector<std::uint8_t> logit_data = bytes(10), map_data = bytes(14 * 14 * 32);
    const void* taps[] = {map_data.data()};
    std::vector<double> values(scorer.n_scores() + 3);
    std::vector<std::int32_t> indices(scorer.n_indices());
    std::vector<float> statistics(kNumbers), cells(2 * kCells * kCells);
    const std::vector<double> usual(kCells * kCells, 120.0);
    const Pictures pictures;
    measure(pictures, statistics.data(), cells.data());  // grows the thread's row buffers
    const std::size_t before = allocations;
    double sum = 0;
    for (int i = 0; i < 3; ++i) {
        measure(pictures, statistics.data(), cells.data());
        scorer.score(logit_data.data(), taps, statistics.data(), values.data(), indices.data());
        sum += scene_light(cells.data(), usual.data(), usual.data(), 1).worst;
        sum += median_change(cells.data(), cells.data());
    }
    CHECK(allocations == before);
    CHECK(std::isfinite(sum));
    for (const double v : values) CHECK(std::isfinite(v));
}

}  // namespace

int main() {
    CHECK(kStatistics.size() + kLevels.size() == kNumbers);
    test_counters();
    for (const std::string& level : simd_levels()) test_level(level);
    if (check::failures == 0) std::puts("allocations: all checks passed");
    return check::failures == 0 ? 0 : 1;
}
