// What one SIMD level provides: the inner loops, as plain functions over plain data.
//
// Every level compiles the same sources (simd/*.cpp) into a namespace of its own with its own
// flags. Those sources include only this header, layout.hpp and C headers, so that no inline
// function is shared between files with different instruction sets.
#pragma once

#include "../layout.hpp"

namespace eg::simd {

// Sums over one scale of the luma pyramid, all exact.
// Gradients are forward differences over the (h-1)(w-1) pixels that have both; the Laplacian is
// 4Y minus the four neighbours over the (h-2)(w-2) inner pixels.
struct ScaleSums {
    std::int64_t abs_x, abs_y, xx, yy, xy, edges, laplacian, laplacian_square;
};

constexpr std::size_t kGrid = 32;  // parts per side that the cells are made of, a multiple of kCells

// Everything image_statistics is computed from, exact integers, hence equal at every level.
struct ImageSums {
    std::uint32_t histogram[256];
    std::uint32_t diagonals[kDiagonals];
    std::int64_t lbp[kLbpBins];
    ScaleSums scales[kScales];
    std::int64_t part_sum[kGrid * kGrid];
    std::int64_t part_square[kGrid * kGrid];
    std::int64_t blue, green, red;   // sums of the channels
    std::int64_t chroma;             // sum of max(B,G,R) - min(B,G,R)
    std::int64_t red_green_square;   // sum of (R-G)^2
    std::int64_t blue_green_square;  // sum of (B-G)^2
    std::int64_t row_square;         // sum over rows of (sum of the row)^2
    std::int64_t row_step_square;    // sum over rows of (difference to the row above)^2
    std::int64_t stuck_rows;         // rows equal to the row above
    std::uint64_t hash;
};

// Row buffers of one image width, owned by the caller. Each may be read or written from 64
// elements before to 64 elements after its padded width (the width rounded up to 64).
struct ImageScratch {
    std::uint8_t* interleaved;       // 3 * width: a strided row made contiguous
    std::uint8_t* planes[3];         // blue, green, red
    std::uint8_t* rows[kScales][3];  // the newest three luma rows of each scale
    std::uint8_t* zeros;
    std::uint8_t* labels;          // binary-pattern labels of one row
    std::uint8_t* column_change;   // OR over rows of Y[x] ^ Y[x+1]
    std::int16_t* differences[2];  // one row of x and y differences
    std::uint32_t* band_sum;       // column sums over the current row of cells
    std::uint32_t* band_square;
    std::uint32_t* column_sum;  // column sums over the image
    std::uint32_t* histograms;  // 4 x 256
};

struct Nearest {
    std::int64_t row;  // -1 when no row is at a finite distance
    float squared_distance;
};

// A matrix (rows, 16 n) in panels of sixteen columns, each panel row after row.
struct Panels {
    const float* values;
    std::size_t rows;
    std::size_t n;
};

struct Table {
    const char* name;
    // out[r] = sum_i rows[r*dim + i] * x[i], accumulated in float64.
    void (*project)(const float* rows, std::size_t n_rows, std::size_t dim, const double* x,
                    double* out);
    // The row with the smallest squared distance in float32; ties go to the first.
    Nearest (*nearest)(const float* rows, std::size_t n_rows, std::size_t dim, const float* x);
    // Sums of stored values per block and channel, and of their squares per channel.
    // edges_y/edges_x: n_y+1 and n_x+1 ascending limits. block_sums: (n_y*n_x, channels).
    // scratch: 16 * max(channels, width) bytes, aligned to 16.
    void (*pool)(const Tensor& tensor, const void* data, const std::size_t* edges_y,
                 std::size_t n_y, const std::size_t* edges_x, std::size_t n_x, double* block_sums,
                 double* squares, void* scratch);
    // out[i] = stored value - zero point.
    void (*widen)(const Tensor& tensor, const void* data, float* out);
    // out (n, 16 panels.n) = rows (n, panels.rows) times the panels. Value k of row i is
    // rows[i * stride + k * step].
    void (*multiply)(const float* rows, std::size_t n, std::size_t stride, std::size_t step,
                     const Panels& panels, float* out);
    // out = mean of `in` (height, width, dim) over the 3x3 neighbours that lie inside.
    void (*average)(const float* in, std::size_t height, std::size_t width, std::size_t dim,
                    float* out);
    // For each row the column c of the bank with the smallest half_norms[c] - row . column, in
    // float32; ties go to the first. -1 when none is finite.
    void (*nearest_each)(const float* rows, std::size_t n, std::size_t stride, const Panels& bank,
                         const float* half_norms, std::int64_t* found);
    // Adds up one image; sums and the column buffers of scratch must be zero.
    void (*image_sums)(const Image& image, const ImageScratch& scratch, ImageSums& sums);
};

}  // namespace eg::simd
