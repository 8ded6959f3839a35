// Row buffers of image_statistics, laid out once per image width.
#include "scratch.hpp"

#include <cstdint>
#include <cstring>

namespace eg {
namespace {

constexpr std::size_t kLine = 64;  // bytes of a cache line, and elements a loop may overrun

// Hands out zeroed, aligned arrays with room before and after; first to measure, then for real.
class Arena {
public:
    explicit Arena(unsigned char* memory) : memory_(memory) {}

    template <typename T>
    T* take(std::size_t n) {
        used_ += kLine * sizeof(T);
        T* array = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + used_);
        used_ += (n + 2 * kLine) * sizeof(T);
        used_ = (used_ + kLine - 1) / kLine * kLine;
        return array;
    }
    std::size_t used() const { return used_; }

private:
    unsigned char* memory_;
    std::size_t used_ = 0;
};

std::size_t lay_out(unsigned char* memory, std::size_t n, simd::ImageScratch& views) {
    Arena arena(memory);
    for (auto& row : views.interleaved) row = arena.take<std::uint8_t>(3 * n);
    for (auto& plane : views.planes) plane = arena.take<std::uint8_t>(n);
    for (auto& scale : views.rows) {
        for (auto& row : scale) row = arena.take<std::uint8_t>(n);
    }
    views.single = arena.take<std::uint8_t>(n);
    views.half = arena.take<std::uint8_t>(n);
    views.zeros = arena.take<std::uint8_t>(n);
    views.labels = arena.take<std::uint8_t>(n);
    views.column_change = arena.take<std::uint8_t>(n);
    for (auto& row : views.differences) row = arena.take<std::int16_t>(n);
    views.band_sum = arena.take<std::uint32_t>(n);
    views.band_square = arena.take<std::uint32_t>(n);
    views.column_sum = arena.take<std::uint32_t>(n);
    views.histograms = arena.take<std::uint32_t>(4 * 256);
    return arena.used();
}

}  // namespace

const simd::ImageScratch& Scratch::prepare(std::size_t width) {
    const std::size_t padded = (width + kLine - 1) / kLine * kLine;
    if (width != width_) {
        const std::size_t bytes = lay_out(nullptr, padded, views_) + kLine;
        if (bytes > memory_.size()) memory_.resize(bytes);
        std::memset(memory_.data(), 0, memory_.size());
        const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
        lay_out(memory_.data() + (kLine - address % kLine) % kLine, padded, views_);
        width_ = width;
    }
    std::memset(views_.column_change, 0, padded);
    std::memset(views_.band_sum, 0, padded * sizeof(std::uint32_t));
    std::memset(views_.band_square, 0, padded * sizeof(std::uint32_t));
    std::memset(views_.column_sum, 0, padded * sizeof(std::uint32_t));
    std::memset(views_.histograms, 0, 4 * 256 * sizeof(std::uint32_t));
    return views_;
}

}  // namespace eg
