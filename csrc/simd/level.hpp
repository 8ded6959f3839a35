// The functions of the level being compiled; EG_LEVEL is its name.
#pragma once

#include "table.hpp"

#ifndef EG_LEVEL
#error "compile csrc/simd/*.cpp through CMakeLists.txt, which defines EG_LEVEL"
#endif

namespace eg::simd::EG_LEVEL {

extern const Table table;

void project(const float* rows, std::size_t n_bands, std::size_t n_lines, const double* x,
             double* out);
double squared_distance(const float* a, const float* b, std::size_t dim);
double centre(const float* x, const double* center, const double* factors, std::size_t dim,
              double* y);
void turn(double* y, std::size_t dim);
Quantized quantize(const double* y, std::size_t dim, int limit, std::int16_t* out);
void multiply_halves(const std::uint8_t* panels, std::size_t n, const HalfVector& x,
                     std::int32_t* out);
void multiply_lower(const std::uint8_t* rows, const std::uint32_t* which, std::size_t n,
                    const HalfVector& x, std::int32_t* out);
float estimate_halves(const std::int32_t* products, const float* squares, const float* scales,
                      std::size_t n, std::int32_t bias, float factor, float* out);
int narrow_limit();
void pack_queries(const std::int16_t* integers, std::size_t dim, const QueryBlock& block);
void estimate(const PackedRows& bank, std::size_t first, std::size_t n, const QueryBlock& block,
              float* estimates, std::size_t stride, float* least);
std::size_t at_most(const float* values, std::size_t n, float limit, std::uint32_t* found);
void pool(const Tensor& tensor, const void* data, const std::size_t* edges_y, std::size_t n_y,
          const std::size_t* edges_x, std::size_t n_x, double* block_sums, double* squares,
          void* scratch);
void widen(const Tensor& tensor, const void* data, float* out);
void multiply(const float* rows, std::size_t n, std::size_t stride, std::size_t step,
              const Panels& panels, float* out);
void average(const float* in, std::size_t height, std::size_t width, std::size_t dim, float* out);
void image_sums(const Image& image, const ImageScratch& scratch, ImageSums& sums);

// Asks for row y from memory, to come while others are computed.
void fetch_row(const Image& image, std::size_t y);
// Row y, its pixels adjacent: where it lies, or a copy in one of two buffers of scratch by turns.
const std::uint8_t* raw_row(const Image& image, std::size_t y, const ImageScratch& scratch);
void begin_hash(HashState& state);
void add_hash(const std::uint8_t* raw, std::size_t n, HashState& state);
std::uint64_t end_hash(const HashState& state, std::uint64_t seed);
// Luma of a row of 1 or 3 channels.
void load_luma(const std::uint8_t* raw, const Image& image, const ImageScratch& scratch,
               std::uint8_t* luma);
// The same, and adds the colour sums.
void load_colours(const std::uint8_t* raw, const Image& image, const ImageScratch& scratch,
                  std::uint8_t* luma, ImageSums& sums);
// Sum of |a - b| of n bytes. Also, with b all zero, the sum of bytes: for absolute differences every
// instruction set has one instruction, for a plain sum the compiler widens each byte.
std::int64_t sum_bytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t n);
// Forward differences of rows `above` and `below` (both of `width` pixels).
void add_gradients(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
                   const ImageScratch& scratch, ScaleSums& sums);
void add_laplacian(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below,
                   std::size_t width, const ImageScratch& scratch, ScaleSums& sums);
void add_patterns(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below,
                  std::size_t width, const ImageScratch& scratch, std::int64_t* bins);
// |Y00 - Y01 - Y10 + Y11| of each 2x2 block of two rows.
void add_diagonals(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
                   const ImageScratch& scratch, std::uint32_t* counts);
// Rounded means of the 2x2 blocks of two rows.
void halve(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
           std::uint8_t* out);

}  // namespace eg::simd::EG_LEVEL
