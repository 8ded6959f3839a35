// Where in the picture: moments of the cells, rows and columns, one side against the other.
#include "statistics.hpp"

namespace eg {
namespace {

constexpr double kFlat = 0.5;

}  // namespace

void cell_moments(const simd::ImageSums& sums, std::size_t width, Cells& mean, Cells& sd) {
    constexpr std::size_t kStep = simd::kGrid / kCells;
    for (std::size_t y = 0; y < kCells; ++y) {
        std::int64_t rows = 0;
        for (std::size_t i = 0; i < kStep; ++i) rows += sums.part_rows[y * kStep + i];
        for (std::size_t x = 0; x < kCells; ++x) {
            const std::size_t columns = (x + 1) * width / kCells - x * width / kCells;
            const double n = real(rows) * real(columns);
            std::int64_t sum = 0, square = 0;
            for (std::size_t i = 0; i < kStep * kStep; ++i) {
                const std::size_t row = y * kStep + i / kStep, column = x * kStep + i % kStep;
                sum += sums.part_sum[row * simd::kGrid + column];
                square += sums.part_square[row * simd::kGrid + column];
            }
            mean[y * kCells + x] = real(sum) / n;
            sd[y * kCells + x] = deviation(real(sum), real(square), n);
        }
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

void banding(const Image& image, const simd::ImageSums& sums, const simd::ImageScratch& scratch,
             Writer& out) {
    const double rows = real(sums.tone_rows), width = real(image.width);
    double total = 0, square = 0, step_square = 0;
    for (std::size_t x = 0; x < image.width; ++x) {
        const double column = scratch.column_sum[x] / rows;
        const double step = x == 0 ? 0 : column - scratch.column_sum[x - 1] / rows;
        total += column;
        square += column * column;
        step_square += step * step;
    }
    // the sum of the row sums is the sum of the column sums
    out.put(deviation(total * rows / width, real(sums.row_square) / (width * width), rows));
    out.put(deviation(total, square, width));
    out.put(std::sqrt(real(sums.row_step_square) / real(sums.row_steps)) / width);
    out.put(std::sqrt(step_square / (width - 1)));
    std::int64_t stuck = 0;
    for (std::size_t x = 0; x + 1 < image.width; ++x) stuck += scratch.column_change[x] == 0;
    out.put(real(sums.stuck_rows) / (real(image.height) - 1));
    out.put(real(stuck) / (width - 1));
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

}  // namespace eg
