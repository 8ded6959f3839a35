// The drift kernels on buffers of exactly the size they need, so that a sanitizer sees any overrun.
#include <limits>
#include <random>

#include "check.hpp"
#include "drift.hpp"

namespace {

using namespace eg::drift;

std::mt19937 generator(7);

std::vector<double> uniform(std::size_t n) {
    std::uniform_real_distribution<double> distribution(0.0, 1.0);
    std::vector<double> values(n);
    for (double& v : values) v = distribution(generator);
    return values;
}

void reads_within_the_picture(std::size_t height, std::size_t width, std::size_t channels) {
    const std::size_t pixels = spread(height).count * spread(width).count, cells = 64;
    const auto shares = uniform(kMoves * pixels), mean = uniform(pixels);
    Scene scene{uniform(cells),
                std::vector<double>(cells, 1.0 / cells),
                {mean.begin(), mean.end()},
                {shares.begin(), shares.end()},
                {0, 1, 2, 3, 4}};
    const Reader reader(scene);
    std::vector<std::uint8_t> image(height * width * channels);
    for (auto& v : image) v = static_cast<std::uint8_t>(generator());
    const std::vector<float> statistics(5, 1.0F), grid(cells, 0.5F);
    std::vector<double> values(kImageChannels);
    const auto row = static_cast<std::ptrdiff_t>(width * channels);
    reader.read({image.data(), height, width, channels, row, static_cast<std::ptrdiff_t>(channels),
                 1},
                statistics.data(), grid.data(), values.data());
    const Spread down = spread(height), across = spread(width);
    for (std::size_t m = 0; m < kMoves; ++m) {
        double expected = 0;
        std::size_t p = 0;
        for (std::size_t r = 0; r < down.count; ++r) {
            for (std::size_t c = 0; c < across.count; ++c, ++p) {
                const std::size_t at =
                    (down.start + r * down.step) * width + across.start + c * across.step;
                const double level = image[at * channels + (channels == 3 ? 1 : 0)];
                expected += double{scene.registration[m * pixels + p]} *
                            (level - double{scene.picture[p]});
            }
        }
        CHECK(check::close(values[7 + m], expected, 1e-4));
    }
}

void a_jump_must_be_confirmed() {
    const std::size_t k = 3, n = 2;
    std::vector<double> channel(3 * k, 0.0), column((3 * n + 2) * 2 * k, 1.0);
    for (std::size_t c = 0; c < k; ++c) channel[2 * k + c] = 1.0;
    for (std::size_t i = 2 * n * 2 * k; i < 3 * n * 2 * k; ++i) column[i] = 100.0;
    for (std::size_t i = 3 * n * 2 * k; i < column.size(); ++i) column[i] = 5.0;
    std::vector<double> before(k, std::numeric_limits<double>::quiet_NaN());
    std::vector<double> columns((2 * n + 2) * 2 * k, 0.0), x{0.0, 6.0, 0.0};
    const ChartTables tables{k, n, channel.data(), column.data(), 4.0};
    CHECK(!step_charts(tables, x.data(), 1, before.data(), columns.data()));
    CHECK(step_charts(tables, x.data(), 2, before.data(), columns.data()));
    CHECK(columns[1] == 6.0);  // twice the clip less the allowance
}

void quantiles_undo_the_distribution() {
    for (const double p : {1e-12, 1e-5, 0.2, 0.5, 0.9, 1.0 - 1e-9}) {
        CHECK(check::close(0.5 * std::erfc(-normal_quantile(p) / std::sqrt(2.0)) / p, 1.0, 1e-9));
    }
}

void blocks_end_and_totals_stay_in_their_arrays() {
    const std::size_t k = 2, edges = 3, bets = 2, size = 5;
    const std::vector<double> block{1, 2}, edge{0.2, 0.5, 0.8, 0.1, 0.2, 0.3}, anew(k, 1.0),
        bet{0.5, -0.5}, draw{0.5, 0.5};
    std::vector<double> sums(2 * k), weights(k * (edges + 1)), wealth(k * bets);
    const RankTables tables{k,           edges,       bets,       block.data(),
                            edge.data(), anew.data(), bet.data(), draw.data()};
    const auto usual = uniform(size);
    std::vector<double> total(size), fine(kRecent * size), coarse(kRecent * size);
    for (std::size_t frame = 0; frame < 2 * kRecent * kRecent; ++frame) {
        const auto x = uniform(k), values = uniform(size);
        CHECK(step_ranks(tables, x.data(), sums.data(), weights.data(), wealth.data()));
        add_to_history(size, frame, values.data(), usual.data(), total.data(), fine.data(),
                       coarse.data());
    }
    double seen = 0;
    for (const double weight : weights) seen += weight;
    CHECK(seen == 3.0 * kRecent * kRecent);
    CHECK(std::isfinite(wealth[0]) && total[0] > 0.0);
}

}  // namespace

int main() {
    for (const std::size_t side : {16, 17, 39, 40, 41, 79, 80, 97, 641}) {
        for (const std::size_t channels : {1, 3}) reads_within_the_picture(side, side + 5, channels);
    }
    a_jump_must_be_confirmed();
    quantiles_undo_the_distribution();
    blocks_end_and_totals_stay_in_their_arrays();
    if (check::failures == 0) std::puts("drift kernels: all checks passed");
    return check::failures == 0 ? 0 : 1;
}
