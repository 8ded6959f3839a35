// Sums of a feature map per block and channel, and of squares per channel, in one reading.
// Quantized maps are summed as integers (exact); float32 maps in float64.
#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

// Values added before the integer sums are emptied: 255^2 * kRun stays below 2^32. A row has fewer.
constexpr std::size_t kRun = 32768;

template <typename Stored>
struct Sums;
template <>
struct Sums<std::int8_t> {
    using Sum = std::int32_t;
    using Square = std::uint32_t;
};
template <>
struct Sums<std::uint8_t> {
    using Sum = std::int32_t;
    using Square = std::uint32_t;
};
template <>
struct Sums<float> {
    using Sum = double;
    using Square = double;
};

struct Blocks {
    const std::size_t *edges_y, *edges_x;
    std::size_t n_y, n_x;
};

template <typename Stored>
void add_pixels(const Stored* pixel, std::size_t n_pixels, std::size_t channels,
                typename Sums<Stored>::Sum* sum, typename Sums<Stored>::Square* square) {
    using Sum = typename Sums<Stored>::Sum;
    for (std::size_t p = 0; p < n_pixels; ++p, pixel += channels) {
#pragma omp simd
        for (std::size_t c = 0; c < channels; ++c) {
            const Sum v = static_cast<Sum>(pixel[c]);
            sum[c] += v;
            square[c] += static_cast<typename Sums<Stored>::Square>(v * v);
        }
    }
}

// Adds the running sums to the totals and clears them.
template <typename Sum, typename Square>
void flush(Sum* sum, Square* square, std::size_t channels, double* block_sum, double* squares) {
    for (std::size_t c = 0; c < channels; ++c) {
        block_sum[c] += static_cast<double>(sum[c]);
        squares[c] += static_cast<double>(square[c]);
        sum[c] = 0;
        square[c] = 0;
    }
}

template <typename Stored>
void pool_channels_last(const Tensor& t, const Stored* data, const Blocks& blocks,
                        double* block_sums, double* squares, void* scratch) {
    auto* sum = static_cast<typename Sums<Stored>::Sum*>(scratch);
    auto* square = reinterpret_cast<typename Sums<Stored>::Square*>(sum + t.channels);
    for (std::size_t c = 0; c < t.channels; ++c) sum[c] = 0, square[c] = 0;
    for (std::size_t by = 0; by < blocks.n_y; ++by) {
        for (std::size_t bx = 0; bx < blocks.n_x; ++bx, block_sums += t.channels) {
            const std::size_t x0 = blocks.edges_x[bx], n = blocks.edges_x[bx + 1] - x0;
            std::size_t run = 0;
            for (std::size_t y = blocks.edges_y[by]; y < blocks.edges_y[by + 1]; ++y) {
                if (run + n > kRun) {
                    flush(sum, square, t.channels, block_sums, squares);
                    run = 0;
                }
                add_pixels(data + (y * t.width + x0) * t.channels, n, t.channels, sum, square);
                run += n;
            }
            flush(sum, square, t.channels, block_sums, squares);
        }
    }
}

template <typename Stored>
double sum_of_squares(const Stored* values, std::size_t n) {
    double total = 0;
    for (std::size_t start = 0; start < n; start += kRun) {
        const std::size_t end = n - start < kRun ? n : start + kRun;
        typename Sums<Stored>::Square square = 0;
#pragma omp simd reduction(+ : square)
        for (std::size_t i = start; i < end; ++i) {
            const auto v = static_cast<typename Sums<Stored>::Sum>(values[i]);
            square += static_cast<typename Sums<Stored>::Square>(v * v);
        }
        total += static_cast<double>(square);
    }
    return total;
}

struct Span {
    std::size_t first, end;
};

// columns[x] = sum of column x over rows of at most kWide values, read kWide at a time: without a
// remainder, into the row behind.
template <std::size_t kWide, typename Stored>
void add_narrow_rows(const Stored* plane, std::size_t width, Span rows,
                     typename Sums<Stored>::Sum* columns) {
    using Sum = typename Sums<Stored>::Sum;
    Sum sums[kWide] = {};
    for (std::size_t y = rows.first; y < rows.end; ++y) {
#pragma omp simd
        for (std::size_t x = 0; x < kWide; ++x) sums[x] += static_cast<Sum>(plane[y * width + x]);
    }
    for (std::size_t x = 0; x < width; ++x) columns[x] = sums[x];
}

// The same; `behind` values follow the plane.
template <typename Stored>
void add_rows(const Stored* plane, std::size_t width, Span rows, std::size_t behind,
              typename Sums<Stored>::Sum* columns) {
    if (width <= 16 && behind >= 16) return add_narrow_rows<16>(plane, width, rows, columns);
    if (width <= 32 && behind >= 32) return add_narrow_rows<32>(plane, width, rows, columns);
    for (std::size_t x = 0; x < width; ++x) columns[x] = 0;
    for (std::size_t y = rows.first; y < rows.end; ++y) {
        const Stored* row = plane + y * width;
#pragma omp simd
        for (std::size_t x = 0; x < width; ++x)
            columns[x] += static_cast<typename Sums<Stored>::Sum>(row[x]);
    }
}

// Column sums first, over the rows of a block: the loop over x is then as long as the row.
// `behind`: values of the map behind this plane.
template <typename Stored>
void add_plane(const Stored* plane, const Tensor& t, const Blocks& blocks, std::size_t behind,
               double* block_sums, void* scratch) {
    auto* columns = static_cast<typename Sums<Stored>::Sum*>(scratch);
    for (std::size_t by = 0; by < blocks.n_y; ++by) {
        add_rows(plane, t.width, {blocks.edges_y[by], blocks.edges_y[by + 1]}, behind, columns);
        for (std::size_t bx = 0; bx < blocks.n_x; ++bx, block_sums += t.channels) {
            double sum = 0;
            for (std::size_t x = blocks.edges_x[bx]; x < blocks.edges_x[bx + 1]; ++x) {
                sum += static_cast<double>(columns[x]);
            }
            *block_sums += sum;
        }
    }
}

template <typename Stored>
void pool_as(const Tensor& t, const void* data, const Blocks& blocks, double* block_sums,
             double* squares, void* scratch) {
    const auto* values = static_cast<const Stored*>(data);
    if (t.channels_last) {
        pool_channels_last(t, values, blocks, block_sums, squares, scratch);
        return;
    }
    const std::size_t size = t.height * t.width;
    for (std::size_t c = 0; c < t.channels; ++c) {
        squares[c] += sum_of_squares(values + c * size, size);
        add_plane(values + c * size, t, blocks, (t.channels - 1 - c) * size, block_sums + c,
                  scratch);
    }
}

}  // namespace

void pool(const Tensor& tensor, const void* data, const std::size_t* edges_y, std::size_t n_y,
          const std::size_t* edges_x, std::size_t n_x, double* block_sums, double* squares,
          void* scratch) {
    const Blocks blocks = {edges_y, edges_x, n_y, n_x};
    for (std::size_t i = 0; i < n_y * n_x * tensor.channels; ++i) block_sums[i] = 0;
    for (std::size_t c = 0; c < tensor.channels; ++c) squares[c] = 0;
    switch (tensor.dtype) {
        case Dtype::float32:
            return pool_as<float>(tensor, data, blocks, block_sums, squares, scratch);
        case Dtype::int8:
            return pool_as<std::int8_t>(tensor, data, blocks, block_sums, squares, scratch);
        case Dtype::uint8:
            return pool_as<std::uint8_t>(tensor, data, blocks, block_sums, squares, scratch);
    }
}

}  // namespace eg::simd::EG_LEVEL
