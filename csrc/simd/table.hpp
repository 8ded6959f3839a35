// What one SIMD level provides: the inner loops, as plain functions over plain data.
//
// Every level compiles the same sources (simd/*.cpp) into a namespace of its own with its own
// flags. Those sources include only this header, layout.hpp and C headers, so that no inline
// function is shared between files with different instruction sets.
#pragma once

#include "../layout.hpp"

namespace eg::simd {

// Sums over one scale of the luma pyramid, all exact. Gradients are forward differences over the
// w-1 pixels that have both of each row above another; the Laplacian is 4Y minus the four
// neighbours over the w-2 inner pixels of each row between two others.
struct ScaleSums {
    std::int64_t abs_x, abs_y, xx, yy, xy, edges, laplacian, laplacian_square;
    std::int64_t gradient_rows, laplacian_rows;
};

constexpr std::size_t kGrid = 32;  // parts per side that the cells are made of, a multiple of kCells

// Hash of the rows so far: sums of 32-bit products in eight lanes, keys that move on.
struct HashState {
    std::uint64_t sums[8], keys[8];
};

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
    std::int64_t colour_rows;        // rows that the histogram and the colours are of
    std::int64_t tone_rows;          // rows that parts and columns are of
    std::int64_t part_rows[kGrid];   // of each row of parts
    std::int64_t row_square;         // sum over the tone rows of (sum of the row)^2
    std::int64_t row_step_square;    // sum over texture rows of (difference to the row above)^2
    std::int64_t row_steps;
    std::int64_t stuck_rows;         // rows whose pixels are those of the row above
    HashState state;
    std::uint64_t hash;
};

// Row buffers of one image width, owned by the caller. Each may be read or written from 64
// elements before to 64 elements after its padded width (the width rounded up to 64).
struct ImageScratch {
    std::uint8_t* interleaved[2];    // 3 * width: strided rows made contiguous, by turns
    std::uint8_t* planes[3];         // blue, green, red
    std::uint8_t* rows[kScales][3];  // the newest three luma rows of each scale
    std::uint8_t* single;            // a luma row that is in no band
    std::uint8_t* half;              // a row at half its width
    std::uint8_t* zeros;
    std::uint8_t* labels;          // binary-pattern labels of one row
    std::uint8_t* column_change;   // OR over rows of Y[x] ^ Y[x+1]
    std::int16_t* differences[2];  // one row of x and y differences
    std::uint32_t* band_sum;       // column sums over the current row of cells
    std::uint32_t* band_square;
    std::uint32_t* column_sum;  // column sums over the image
    std::uint32_t* histograms;  // 4 x 256
};

// Rows of a bank as bytes (bank.hpp): panels of kLaneRows rows; of each panel the first four
// columns of every row, then the next four. A byte is q + 128.
struct PackedRows {
    const std::uint8_t* values;
    const float* squares;
    const float* scales;
};

// Vectors that are multiplied with the rows together: 1, 4 or kBlock of them.
struct QueryBlock {
    void* values;           // 8 n quads bytes: the integers of 8 bits as the level wants them
    const float* factors;   // -2 t of each
    std::int32_t* biases;   // 128 times the sum of each one's integers
    std::size_t n;
    std::size_t quads;  // columns / 4, rounded up
};

// One vector's integers of 8 bits: of each octet of columns the first four, and the second four.
struct HalfVector {
    const std::int8_t* first;
    const std::int8_t* second;
    std::size_t octets;  // columns / 8, rounded up; both arrays filled up to whole kHalfLines
};

// |f|^2 and t.
struct Quantized {
    double rest_square;
    float step;
};

// A matrix (rows, 16 n) in panels of sixteen columns, each panel row after row.
struct Panels {
    const float* values;
    std::size_t rows;
    std::size_t n;
};

struct Table {
    const char* name;
    // out[r] = row r . x in float64. rows: bands of kBandRows rows; of each band the first
    // kLineValues values of every row, then the next.
    void (*project)(const float* rows, std::size_t n_bands, std::size_t n_lines, const double* x,
                    double* out);
    // sum (a - b)^2 in float64, the same bits at every level.
    double (*squared_distance)(const float* a, const float* b, std::size_t dim);
    // y = (x - center) * factors; returns |y|^2.
    double (*centre)(const float* x, const double* center, const double* factors, std::size_t dim,
                     double* y);
    // An orthogonal map that makes the values of most vectors much alike (turn.cpp).
    void (*turn)(double* y, std::size_t dim);
    // y as integers of at most `limit` and a step.
    Quantized (*quantize)(const double* y, std::size_t dim, int limit, std::int16_t* out);
    // The largest integer of many vectors: 127, or less where sums would overflow.
    int (*narrow_limit)();
    // Fills block.values and block.biases from the integers (n, dim).
    void (*pack_queries)(const std::int16_t* integers, std::size_t dim, const QueryBlock& block);
    // estimates[i * stride + r] = h of vector i and row r of n panels from the first on;
    // least[i]: the smallest.
    void (*estimate)(const PackedRows& bank, std::size_t first, std::size_t n,
                     const QueryBlock& block, float* estimates, std::size_t stride, float* least);
    // out[r] = x times row r of n panels of half bytes (halves.cpp).
    void (*multiply_halves)(const std::uint8_t* panels, std::size_t n, const HalfVector& x,
                            std::int32_t* out);
    // out[k] = x times row which[k] of rows of half bytes, each filled up to whole kHalfLines.
    void (*multiply_lower)(const std::uint8_t* rows, const std::uint32_t* which, std::size_t n,
                           const HalfVector& x, std::int32_t* out);
    // out = squares + factor * scales * (products - bias); returns the smallest.
    float (*estimate_halves)(const std::int32_t* products, const float* squares,
                             const float* scales, std::size_t n, std::int32_t bias, float factor,
                             float* out);
    // Indices of the values that are at most the limit, ascending; n is a multiple of kLaneRows.
    std::size_t (*at_most)(const float* values, std::size_t n, float limit, std::uint32_t* found);
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
    // Adds up one image; sums and the column buffers of scratch must be zero.
    void (*image_sums)(const Image& image, const ImageScratch& scratch, ImageSums& sums);
};

}  // namespace eg::simd
