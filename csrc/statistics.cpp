// The named statistics of an image, from the exact sums that simd/ collects in one reading.
//
// Luma Y = (77 R + 150 G + 29 B) >> 8, or the gray pixel; n = H * W; eps = 0.5 grey levels.
//   mean sd skewness kurtosis    moments of Y (divisor n; kurtosis is excess; 0 where sd = 0)
//   p1 ... p99                   smallest level whose cumulative share is at least q
//   clipped_low clipped_high     shares of Y <= 1 and Y >= 254
//   entropy                      of the histogram, bits
//   gradient_x gradient_y        mean |gx|, mean |gy|: forward differences on (H-1)(W-1) pixels
//   tenengrad                    mean of gx^2 + gy^2
//   gradient_sparsity            ln((rms + eps) / (mean absolute + eps)) of all gx and gy
//   edge_share                   share of |gx| + |gy| >= 32
//   coherence                    |(cos, sin)| of the structure tensor's orientation, where
//   orientation_cos orientation_sin   (Jxx - Jyy) / (Jxx + Jyy) and 2 Jxy / (Jxx + Jyy)
//   laplacian_sd                 of 4Y minus its four neighbours, (H-2)(W-2) pixels
//   focus                        ln((laplacian_sd + eps) / (sd + eps))
//   noise                        1.4826 / 2 * median |d|, d = Y00-Y01-Y10+Y11 of the 2x2 blocks;
//                                within a level the median is interpolated: level k fills (k-1, k]
//   noise_mean                   sqrt(pi/2) / 2 * mean |d|
//   local_sd_mean local_sd_sd local_mean_sd   over the cells: of their sds, sd of their means
//   lbp_0 ... lbp_8 lbp_other    shares of the rotation-invariant uniform patterns (Ojala 2002),
//                                8 neighbours, bit = neighbour >= centre, (H-2)(W-2) pixels
//   gradient_1x ... laplacian_8x   ln(1 + mean energy) at four scales, each the rounded 2x2 means
//                                of the one before; 0 where a scale has no such pixels
//   log_rg log_bg                ln((mean R + 1) / (mean G + 1)), same for B; 0 for gray
//   saturation_mean              mean of max(B,G,R) - min(B,G,R), grey levels; 0 for gray
//   rg_sd bg_sd                  sd of R - G and B - G; 0 for gray
//   row_mean_sd column_mean_sd   sd of the means of rows and columns
//   row_banding column_banding   rms step between neighbouring row (column) means
//   stuck_rows stuck_columns     share of rows (columns) equal to the one before
//   flat_cells                   share of cells with sd < 0.5
//   trend_x trend_y              mean of the right (lower) cells minus the left (upper) ones
//   center_surround              mean of the inner 4x4 cells minus the mean of the others
//   asymmetry_x asymmetry_y      mean |cell - its mirror image|, left-right and up-down
//   correlation_1x ... correlation_8y   of the grid g below: mean of g(p) g(p + lag) / (variance + 1)
//                                at 1, 2, 4, 8 grid steps along x, then along y; g less its mean
//   spectrum_0 ... spectrum_7    ln((ring + 1) / (mean of the rings + 1)): mean power of the Hann-
//                                windowed grid's Fourier transform over rings of radius r,
//                                k = floor(8 r), r in cycles a grid step over its Nyquist limit
// The grid is 32 x 32 means of Y, or 16 x 16 where a side has fewer than 32 pixels.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels.hpp"
#include "scratch.hpp"
#include "simd.hpp"

namespace eg {

// clang-format off
const std::vector<std::string> kStatistics = {
    "mean", "sd", "skewness", "kurtosis",
    "p1", "p5", "p25", "p50", "p75", "p95", "p99",
    "clipped_low", "clipped_high", "entropy",
    "gradient_x", "gradient_y", "tenengrad", "gradient_sparsity", "edge_share",
    "coherence", "orientation_cos", "orientation_sin",
    "laplacian_sd", "focus", "noise", "noise_mean",
    "local_sd_mean", "local_sd_sd", "local_mean_sd",
    "lbp_0", "lbp_1", "lbp_2", "lbp_3", "lbp_4", "lbp_5", "lbp_6", "lbp_7", "lbp_8", "lbp_other",
    "gradient_1x", "gradient_2x", "gradient_4x", "gradient_8x",
    "laplacian_1x", "laplacian_2x", "laplacian_4x", "laplacian_8x",
    "log_rg", "log_bg", "saturation_mean", "rg_sd", "bg_sd",
    "row_mean_sd", "column_mean_sd", "row_banding", "column_banding",
    "stuck_rows", "stuck_columns", "flat_cells",
    "trend_x", "trend_y", "center_surround", "asymmetry_x", "asymmetry_y",
    "correlation_1x", "correlation_2x", "correlation_4x", "correlation_8x",
    "correlation_1y", "correlation_2y", "correlation_4y", "correlation_8y",
    "spectrum_0", "spectrum_1", "spectrum_2", "spectrum_3",
    "spectrum_4", "spectrum_5", "spectrum_6", "spectrum_7",
};
// clang-format on

namespace {

constexpr double kEps = 0.5;
constexpr double kFlat = 0.5;
constexpr std::size_t kCellCount = kCells * kCells;

using Cells = std::array<double, kCellCount>;

// Writes values in the order of kStatistics.
class Writer {
public:
    explicit Writer(float* out) : next_(out) {}
    void put(double value) { *next_++ = static_cast<float>(value); }

private:
    float* next_;
};

double root(double variance) { return variance > 0 ? std::sqrt(variance) : 0; }

double deviation(double sum, double square, double n) {
    return root(square / n - sum / n * (sum / n));
}

double real(std::int64_t value) { return static_cast<double>(value); }

struct Size {
    explicit Size(const Image& image)
        : height(static_cast<double>(image.height)), width(static_cast<double>(image.width)) {}
    double height, width;
};

double moments(const simd::ImageSums& sums, double n, Writer& out) {
    double first = 0;
    for (int v = 0; v < 256; ++v) first += sums.histogram[v] * static_cast<double>(v);
    const double mean = first / n;
    double m2 = 0, m3 = 0, m4 = 0;
    for (int v = 0; v < 256; ++v) {
        const double d = v - mean, share = sums.histogram[v] / n;
        m2 += share * d * d;
        m3 += share * d * d * d;
        m4 += share * d * d * d * d;
    }
    out.put(mean);
    out.put(std::sqrt(m2));
    out.put(m2 > 0 ? m3 / (m2 * std::sqrt(m2)) : 0);
    out.put(m2 > 0 ? m4 / (m2 * m2) - 3 : 0);
    return std::sqrt(m2);
}

void distribution(const simd::ImageSums& sums, std::int64_t n, Writer& out) {
    for (const std::int64_t percent : {1, 5, 25, 50, 75, 95, 99}) {
        std::int64_t below = 0;
        int level = 0;
        while ((below += sums.histogram[level]) * 100 < percent * n) ++level;
        out.put(level);
    }
    const double total = real(n);
    out.put((real(sums.histogram[0]) + sums.histogram[1]) / total);
    out.put((real(sums.histogram[254]) + sums.histogram[255]) / total);
    double entropy = 0;
    for (const std::uint32_t count : sums.histogram) {
        if (count > 0) entropy += count / total * std::log2(total / count);
    }
    out.put(entropy);
}

void gradients(const simd::ScaleSums& s, double n, Writer& out) {
    const double energy = real(s.xx) + real(s.yy), absolute = real(s.abs_x) + real(s.abs_y);
    out.put(real(s.abs_x) / n);
    out.put(real(s.abs_y) / n);
    out.put(energy / n);
    out.put(std::log((std::sqrt(energy / (2 * n)) + kEps) / (absolute / (2 * n) + kEps)));
    out.put(real(s.edges) / n);
    const double along = energy > 0 ? (real(s.xx) - real(s.yy)) / energy : 0;
    const double across = energy > 0 ? 2 * real(s.xy) / energy : 0;
    out.put(std::hypot(along, across));
    out.put(along);
    out.put(across);
}

void sharpness(const simd::ScaleSums& s, double n, double sd, Writer& out) {
    const double laplacian_sd = deviation(real(s.laplacian), real(s.laplacian_square), n);
    out.put(laplacian_sd);
    out.put(std::log((laplacian_sd + kEps) / (sd + kEps)));
}

void noise(const simd::ImageSums& sums, Writer& out) {
    double n = 0, total = 0;
    for (std::size_t d = 0; d < kDiagonals; ++d) {
        n += sums.diagonals[d];
        total += static_cast<double>(d) * sums.diagonals[d];
    }
    double below = 0, median = 0;
    for (std::size_t d = 0; d < kDiagonals; ++d) {
        const double count = sums.diagonals[d];
        if (below + count >= n / 2) {
            median = d == 0 ? 0 : static_cast<double>(d) - 1 + (n / 2 - below) / count;
            break;
        }
        below += count;
    }
    out.put(1.4826 / 2 * median);
    out.put(std::sqrt(std::acos(-1.0) / 2) / 2 * total / n);
}

// Sum of a square of parts out of kGrid x kGrid; `side` such squares make up a row.
double square_of(const std::int64_t* parts, std::size_t side, std::size_t y, std::size_t x) {
    const std::size_t step = simd::kGrid / side;
    std::int64_t sum = 0;
    for (std::size_t row = y * step; row < (y + 1) * step; ++row) {
        for (std::size_t i = x * step; i < (x + 1) * step; ++i) sum += parts[row * simd::kGrid + i];
    }
    return real(sum);
}

// Pixels in cell (y, x) of side x side.
double pixels_in(const Image& image, std::size_t side, std::size_t y, std::size_t x) {
    const std::size_t rows = (y + 1) * image.height / side - y * image.height / side;
    const std::size_t columns = (x + 1) * image.width / side - x * image.width / side;
    return static_cast<double>(rows * columns);
}

void cell_moments(const Image& image, const simd::ImageSums& sums, Cells& mean, Cells& sd) {
    for (std::size_t i = 0; i < kCellCount; ++i) {
        const std::size_t y = i / kCells, x = i % kCells;
        const double n = pixels_in(image, kCells, y, x);
        const double sum = square_of(sums.part_sum, kCells, y, x);
        mean[i] = sum / n;
        sd[i] = deviation(sum, square_of(sums.part_square, kCells, y, x), n);
    }
}

double mean_of(const Cells& cells) {
    double sum = 0;
    for (const double v : cells) sum += v;
    return sum / kCellCount;
}

double sd_of(const Cells& cells) {
    const double mean = mean_of(cells);
    double square = 0;
    for (const double v : cells) square += (v - mean) * (v - mean);
    return std::sqrt(square / kCellCount);
}

void scales(const Image& image, const simd::ImageSums& sums, Writer& out) {
    double laplacians[kScales];
    for (std::size_t k = 0; k < kScales; ++k) {
        const auto h = static_cast<double>(image.height >> k),
                   w = static_cast<double>(image.width >> k);
        const simd::ScaleSums& s = sums.scales[k];
        out.put(std::log1p((real(s.xx) + real(s.yy)) / ((h - 1) * (w - 1))));
        laplacians[k] =
            h < 3 || w < 3 ? 0 : std::log1p(real(s.laplacian_square) / ((h - 2) * (w - 2)));
    }
    for (const double energy : laplacians) out.put(energy);
}

void chroma(const simd::ImageSums& sums, bool gray, double n, Writer& out) {
    if (gray) {
        for (int i = 0; i < 5; ++i) out.put(0);
        return;
    }
    const double red = real(sums.red), green = real(sums.green), blue = real(sums.blue);
    out.put(std::log((red / n + 1) / (green / n + 1)));
    out.put(std::log((blue / n + 1) / (green / n + 1)));
    out.put(real(sums.chroma) / n);
    out.put(deviation(red - green, real(sums.red_green_square), n));
    out.put(deviation(blue - green, real(sums.blue_green_square), n));
}

void banding(const Image& image, const simd::ImageSums& sums, const simd::ImageScratch& scratch,
             Writer& out) {
    const Size size(image);
    double total = 0, square = 0, step_square = 0;
    for (std::size_t x = 0; x < image.width; ++x) {
        const double column = scratch.column_sum[x] / size.height;
        const double step = x == 0 ? 0 : column - scratch.column_sum[x - 1] / size.height;
        total += column;
        square += column * column;
        step_square += step * step;
    }
    // the sum of the row sums is the sum of the column sums
    out.put(deviation(total * size.height / size.width,
                      real(sums.row_square) / (size.width * size.width), size.height));
    out.put(deviation(total, square, size.width));
    out.put(std::sqrt(real(sums.row_step_square) / (size.height - 1)) / size.width);
    out.put(std::sqrt(step_square / (size.width - 1)));
    std::int64_t stuck = 0;
    for (std::size_t x = 0; x + 1 < image.width; ++x) stuck += scratch.column_change[x] == 0;
    out.put(real(sums.stuck_rows) / (size.height - 1));
    out.put(real(stuck) / (size.width - 1));
}

void layout(const Cells& mean, const Cells& sd, Writer& out) {
    double flat = 0, trend_x = 0, trend_y = 0, inner = 0, outer = 0, mirror_x = 0, mirror_y = 0;
    for (std::size_t y = 0; y < kCells; ++y) {
        for (std::size_t x = 0; x < kCells; ++x) {
            const double v = mean[y * kCells + x];
            flat += sd[y * kCells + x] < kFlat;
            trend_x += x < kCells / 2 ? -v : v;
            trend_y += y < kCells / 2 ? -v : v;
            (x >= 2 && x < 6 && y >= 2 && y < 6 ? inner : outer) += v;
            mirror_x += std::fabs(v - mean[y * kCells + kCells - 1 - x]);
            mirror_y += std::fabs(v - mean[(kCells - 1 - y) * kCells + x]);
        }
    }
    out.put(flat / kCellCount);
    out.put(trend_x / (kCellCount / 2));
    out.put(trend_y / (kCellCount / 2));
    out.put(inner / 16 - outer / 48);
    out.put(mirror_x / kCellCount);
    out.put(mirror_y / kCellCount);
}

// The image reduced to side x side means, less their mean.
struct Grid {
    std::size_t side;
    std::array<double, simd::kGrid * simd::kGrid> values;
};

// Pixels in each of `side` parts of a length.
std::array<double, simd::kGrid> part_lengths(std::size_t length, std::size_t side) {
    std::array<double, simd::kGrid> lengths{};
    for (std::size_t i = 0; i < side; ++i) {
        lengths[i] = static_cast<double>((i + 1) * length / side - i * length / side);
    }
    return lengths;
}

Grid reduced(const Image& image, const simd::ImageSums& sums) {
    const bool small = std::min(image.height, image.width) < simd::kGrid;
    Grid grid = {small ? simd::kGrid / 2 : simd::kGrid, {}};
    const auto rows = part_lengths(image.height, grid.side);
    const auto columns = part_lengths(image.width, grid.side);
    double total = 0;
    double* next = grid.values.data();
    for (std::size_t y = 0; y < grid.side; ++y) {
        for (std::size_t x = 0; x < grid.side; ++x) {
            *next = square_of(sums.part_sum, grid.side, y, x) / (rows[y] * columns[x]);
            total += *next++;
        }
    }
    const auto n = static_cast<double>(grid.side * grid.side);
    for (double* v = grid.values.data(); v < next; ++v) *v -= total / n;
    return grid;
}

void correlations(const Grid& grid, Writer& out) {
    const std::size_t side = grid.side;
    double variance = 1;
    for (std::size_t i = 0; i < side * side; ++i) {
        variance += grid.values[i] * grid.values[i] / static_cast<double>(side * side);
    }
    for (const bool down : {false, true}) {
        for (const std::size_t lag : {1, 2, 4, 8}) {
            const std::size_t height = down ? side - lag : side, width = down ? side : side - lag;
            double sum = 0;
            for (std::size_t y = 0; y < height; ++y) {
                const double* row = grid.values.data() + y * side;
                const double* other = row + (down ? lag * side : lag);
                for (std::size_t x = 0; x < width; ++x) sum += row[x] * other[x];
            }
            out.put(sum / static_cast<double>(height * width) / variance);
        }
    }
}

// side x side complex numbers in rows of kGrid, real and imaginary parts apart.
struct Plane {
    double re[simd::kGrid][simd::kGrid], im[simd::kGrid][simd::kGrid];
};

// (a, b) becomes (a + turn b, a - turn b), for two rows at once.
void butterfly(Plane& p, std::size_t low, std::size_t high, double turn_re, double turn_im) {
    double *a = p.re[low], *ai = p.im[low], *b = p.re[high], *bi = p.im[high];
    for (std::size_t x = 0; x < simd::kGrid; ++x) {
        const double re = b[x] * turn_re - bi[x] * turn_im;
        const double im = b[x] * turn_im + bi[x] * turn_re;
        b[x] = a[x] - re;
        bi[x] = ai[x] - im;
        a[x] += re;
        ai[x] += im;
    }
}

// In-place Fourier transform of every column (Cooley & Tukey 1965), whole rows at a time so that
// the compiler can use vectors; side is a power of two.
void transform_columns(Plane& plane, std::size_t side) {
    for (std::size_t i = 1, j = 0; i < side; ++i) {  // bit reversal
        std::size_t bit = side >> 1;
        for (; (j & bit) != 0; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) {
            std::swap(plane.re[i], plane.re[j]);
            std::swap(plane.im[i], plane.im[j]);
        }
    }
    for (std::size_t half = 1; half < side; half *= 2) {
        for (std::size_t k = 0; k < half; ++k) {
            const double angle = -std::acos(-1.0) * static_cast<double>(k) / static_cast<double>(half);
            const double re = std::cos(angle), im = std::sin(angle);
            for (std::size_t i = k; i < side; i += 2 * half) butterfly(plane, i, i + half, re, im);
        }
    }
}

void transpose(double (&m)[simd::kGrid][simd::kGrid]) {
    for (std::size_t y = 0; y < simd::kGrid; ++y) {
        for (std::size_t x = 0; x < y; ++x) std::swap(m[y][x], m[x][y]);
    }
}

// The Fourier transform of the Hann-windowed grid, transposed.
void transform(const Grid& grid, Plane& plane) {
    const std::size_t side = grid.side;
    double window[simd::kGrid] = {};
    for (std::size_t i = 0; i < side; ++i) {
        const double phase = static_cast<double>(i) / static_cast<double>(side - 1);
        window[i] = 0.5 - 0.5 * std::cos(2 * std::acos(-1.0) * phase);
    }
    plane = {};
    for (std::size_t y = 0; y < side; ++y) {
        for (std::size_t x = 0; x < side; ++x) {
            plane.re[y][x] = grid.values[y * side + x] * window[y] * window[x];
        }
    }
    transform_columns(plane, side);
    transpose(plane.re);
    transpose(plane.im);
    transform_columns(plane, side);
}

void spectrum(const Grid& grid, Writer& out) {
    constexpr std::size_t kRings = 8;
    Plane plane;
    transform(grid, plane);
    const std::size_t side = grid.side;
    std::array<double, kRings> power{}, count{};
    for (std::size_t y = 0; y < side; ++y) {
        for (std::size_t x = 0; x < side; ++x) {
            const std::size_t v = std::min(y, side - y), u = std::min(x, side - x);
            std::size_t ring = 0;  // floor(8 r), r = |(u, v)| / (side / 2)
            while ((ring + 1) * (ring + 1) * side * side <= 4 * kRings * kRings * (u * u + v * v)) ++ring;
            if (ring >= kRings) continue;
            power[ring] += plane.re[y][x] * plane.re[y][x] + plane.im[y][x] * plane.im[y][x];
            count[ring] += 1;
        }
    }
    double mean = 0;
    for (std::size_t r = 0; r < kRings; ++r) mean += (power[r] /= count[r]) / kRings;
    for (const double p : power) out.put(std::log((p + 1) / (mean + 1)));
}

}  // namespace

std::uint64_t image_statistics(const Image& image, float* statistics, float* cells) {
    thread_local Scratch buffers;
    const simd::ImageScratch& scratch = buffers.prepare(image.width);
    simd::ImageSums sums;
    std::memset(&sums, 0, sizeof sums);
    sums.hash = image.height * 0x9e3779b97f4a7c15ULL + image.width * 4 + image.channels;
    simd::active().image_sums(image, scratch, sums);

    const Size size(image);
    const double n = size.height * size.width;
    const double inner = (size.height - 2) * (size.width - 2);
    Cells mean, sd;
    cell_moments(image, sums, mean, sd);
    Writer out(statistics);
    const double total_sd = moments(sums, n, out);
    distribution(sums, static_cast<std::int64_t>(image.height * image.width), out);
    gradients(sums.scales[0], (size.height - 1) * (size.width - 1), out);
    sharpness(sums.scales[0], inner, total_sd, out);
    noise(sums, out);
    out.put(mean_of(sd));
    out.put(sd_of(sd));
    out.put(sd_of(mean));
    for (const std::int64_t count : sums.lbp) out.put(real(count) / inner);
    scales(image, sums, out);
    chroma(sums, image.channels == 1, n, out);
    banding(image, sums, scratch, out);
    layout(mean, sd, out);
    const Grid grid = reduced(image, sums);
    correlations(grid, out);
    spectrum(grid, out);
    std::copy(mean.begin(), mean.end(), cells);
    std::copy(sd.begin(), sd.end(), cells + kCellCount);
    return sums.hash;
}

}  // namespace eg
