// Plain descriptions of what the kernels read. No functions and no library types: the files that
// are compiled once per SIMD level include it, and must not instantiate anything shared.
#pragma once

#include <cstddef>
#include <cstdint>

namespace eg {

enum class Dtype : std::uint8_t { float32, int8, uint8 };

// One image's worth of a model tensor, contiguous, NHWC (channels_last) or NCHW.
// real = (stored - zero_point) * scale; scale 1 and zero_point 0 for float32.
struct Tensor {
    Dtype dtype = Dtype::float32;
    std::size_t height = 1;
    std::size_t width = 1;
    std::size_t channels = 1;
    bool channels_last = true;
    double scale = 1.0;
    std::int32_t zero_point = 0;
};

// An image of uint8 pixels, 3 channels in BGR order or 1 (gray). Strides in bytes, any sign.
struct Image {
    const std::uint8_t* pixels = nullptr;
    std::size_t height = 0;
    std::size_t width = 0;
    std::size_t channels = 1;
    std::ptrdiff_t row_stride = 0;
    std::ptrdiff_t column_stride = 0;
    std::ptrdiff_t channel_stride = 0;
};

constexpr std::size_t kCells = 8;        // cells per side of the luma grid
constexpr std::size_t kScales = 4;       // 1x, 2x, 4x, 8x
constexpr std::size_t kLbpBins = 10;     // 0..8 ones in a uniform pattern, and the others
constexpr std::size_t kPanel = 16;       // columns of a packed matrix that are computed together
constexpr std::size_t kBandRows = 4;     // rows that are projected on together
constexpr std::size_t kLineValues = 16;  // of each row of a band, one after the other
constexpr std::size_t kLaneRows = 32;    // rows of a bank that are searched together
constexpr std::size_t kHalfLine = 64;    // bytes that rows of half bytes are filled up to
constexpr std::size_t kBlock = 12;       // vectors that are searched for together
constexpr double kLargestSquare = 1e30;  // |y|^2 up to which a search estimates
constexpr std::size_t kDiagonals = 511;  // |diagonal difference| of a 2x2 block: 0..510

// Which rows of a large image are measured (simd/image.cpp).
constexpr std::size_t kSampledFrom = 256;  // rows; of smaller images every one is
constexpr std::size_t kHashStep = 2;       // every other row: the hash
constexpr std::size_t kToneStep = 4;       // every fourth row: places, rows, columns
constexpr std::size_t kColourStep = 2;     // every other one of these: grey levels, colours
constexpr std::size_t kTextureBand = 8;    // rows on end: gradients, patterns, noise
constexpr std::size_t kTextureRows = 128;  // about so many of these

}  // namespace eg
