// The picture on a coarse grid: its correlation with itself, its power by fineness.
#include <algorithm>
#include <utility>

#include "statistics.hpp"

namespace eg {
namespace {

constexpr std::size_t kSide = simd::kGrid;
constexpr std::size_t kRings = 8;

// side x side complex numbers in rows of kSide, real and imaginary parts apart.
struct Plane {
    double re[kSide][kSide], im[kSide][kSide];
};

// What depends on the side alone.
struct Tables {
    explicit Tables(std::size_t n) : side(n) {
        const double pi = std::acos(-1.0);
        for (std::size_t i = 0; i < side; ++i) {
            window[i] = 0.5 - 0.5 * std::cos(2 * pi * real(i) / real(side - 1));
        }
        for (std::size_t half = 1; half < side; half *= 2) {
            for (std::size_t k = 0; k < half; ++k) {
                turn_re[half + k] = std::cos(-pi * real(k) / real(half));
                turn_im[half + k] = std::sin(-pi * real(k) / real(half));
            }
        }
        for (std::size_t y = 0; y < side; ++y) {
            for (std::size_t x = 0; x < side; ++x) {
                ring[y * kSide + x] = static_cast<std::uint8_t>(ring_of(y, x));
                if (ring_of(y, x) < kRings) count[ring_of(y, x)] += 1;
            }
        }
    }

    // floor(8 r), r = |(u, v)| / (side / 2); kRings and more lie outside.
    std::size_t ring_of(std::size_t y, std::size_t x) const {
        const std::size_t v = std::min(y, side - y), u = std::min(x, side - x);
        std::size_t k = 0;
        while ((k + 1) * (k + 1) * side * side <= 4 * kRings * kRings * (u * u + v * v)) ++k;
        return std::min(k, kRings);
    }

    std::size_t side;
    double window[kSide] = {}, turn_re[kSide] = {}, turn_im[kSide] = {};
    std::uint8_t ring[kSide * kSide] = {};
    double count[kRings] = {};
};

const Tables& tables(std::size_t side) {
    static const Tables large(kSide), small(kSide / 2);
    return side == kSide ? large : small;
}

// (a, b) becomes (a + turn b, a - turn b), for two rows at once.
void butterfly(Plane& p, std::size_t low, std::size_t high, std::size_t lanes, double turn_re,
               double turn_im) {
    double *__restrict a = p.re[low], *__restrict ai = p.im[low];
    double *__restrict b = p.re[high], *__restrict bi = p.im[high];
    for (std::size_t x = 0; x < lanes; ++x) {
        const double re = b[x] * turn_re - bi[x] * turn_im;
        const double im = b[x] * turn_im + bi[x] * turn_re;
        b[x] = a[x] - re;
        bi[x] = ai[x] - im;
        a[x] += re;
        ai[x] += im;
    }
}

// In-place Fourier transform of the first `lanes` columns (Cooley & Tukey 1965), whole rows at a time so that
// the compiler can use vectors; side is a power of two.
void transform_columns(Plane& plane, const Tables& t, std::size_t lanes) {
    const std::size_t side = t.side;
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
            const double re = t.turn_re[half + k], im = t.turn_im[half + k];
            for (std::size_t i = k; i < side; i += 2 * half) butterfly(plane, i, i + half, lanes, re, im);
        }
    }
}

void transpose(double (&m)[kSide][kSide]) {
    for (std::size_t y = 0; y < kSide; ++y) {
        for (std::size_t x = 0; x < y; ++x) std::swap(m[y][x], m[x][y]);
    }
}

// The Fourier transform of the Hann-windowed grid, transposed; of its columns those up to the
// middle one: the others mirror them.
void transform(const Grid& grid, const Tables& t, Plane& plane) {
    plane = {};
    for (std::size_t y = 0; y < t.side; ++y) {
        for (std::size_t x = 0; x < t.side; ++x) {
            plane.re[y][x] = grid.values[y * t.side + x] * t.window[y] * t.window[x];
        }
    }
    transform_columns(plane, t, t.side);
    transpose(plane.re);
    transpose(plane.im);
    transform_columns(plane, t, t.side / 2 + 1);
}

// Mean product of a grid and itself moved by `lag`, along a row or down.
double lagged(const Grid& grid, std::size_t lag, bool down) {
    const std::size_t side = grid.side;
    const std::size_t height = down ? side - lag : side, width = down ? side : side - lag;
    double sums[kSide] = {};  // one a column: no sum waits for another
    for (std::size_t y = 0; y < height; ++y) {
        const double* row = grid.values.data() + y * side;
        const double* other = row + (down ? lag * side : lag);
        for (std::size_t x = 0; x < width; ++x) sums[x] += row[x] * other[x];
    }
    double sum = 0;
    for (std::size_t x = 0; x < width; ++x) sum += sums[x];
    return sum / real(height * width);
}

}  // namespace

Grid reduced(const Image& image, const simd::ImageSums& sums) {
    Grid grid = {std::min(image.height, image.width) < kSide ? kSide / 2 : kSide, {}};
    const std::size_t side = grid.side, step = kSide / side;
    double total = 0, columns[kSide];
    for (std::size_t x = 0; x < side; ++x) {
        columns[x] = real((x + 1) * image.width / side - x * image.width / side);
    }
    double* next = grid.values.data();
    for (std::size_t y = 0; y < side; ++y) {
        std::int64_t rows = 0;
        for (std::size_t i = 0; i < step; ++i) rows += sums.part_rows[y * step + i];
        for (std::size_t x = 0; x < side; ++x) {
            std::int64_t sum = 0;
            for (std::size_t i = 0; i < step * step; ++i) {
                sum += sums.part_sum[(y * step + i / step) * kSide + x * step + i % step];
            }
            total += *next++ = real(sum) / (real(rows) * columns[x]);
        }
    }
    for (double* v = grid.values.data(); v < next; ++v) *v -= total / real(side * side);
    return grid;
}

void correlations(const Grid& grid, Writer& out) {
    const double variance = 1 + lagged(grid, 0, false);
    for (const bool down : {false, true}) {
        for (const std::size_t lag : {1, 2, 4, 8}) out.put(lagged(grid, lag, down) / variance);
    }
}

void spectrum(const Grid& grid, Writer& out) {
    const Tables& t = tables(grid.side);
    Plane plane;
    transform(grid, t, plane);
    double power[kRings + 1] = {};
    for (std::size_t y = 0; y < t.side; ++y) {
        for (std::size_t x = 0; x <= t.side / 2; ++x) {
            const double here = plane.re[y][x] * plane.re[y][x] + plane.im[y][x] * plane.im[y][x];
            power[t.ring[y * kSide + x]] += x == 0 || 2 * x == t.side ? here : 2 * here;
        }
    }
    double mean = 0;
    for (std::size_t r = 0; r < kRings; ++r) mean += (power[r] /= t.count[r]) / kRings;
    for (std::size_t r = 0; r < kRings; ++r) out.put(std::log((power[r] + 1) / (mean + 1)));
}

}  // namespace eg
