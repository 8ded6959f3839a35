// The kernels without Python: every SIMD level against plain loops, on buffers of exactly the size
// they need (so that a sanitizer sees any overrun).
#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>

#include "check.hpp"
#include "kernels.hpp"

namespace {

using namespace eg;

std::mt19937 generator(20240607);
const std::vector<std::size_t> kSizes = {1, 7, 15, 16, 17, 31, 33, 97, 1280};

std::vector<float> normal(std::size_t n) {
    std::normal_distribution<float> distribution;
    std::vector<float> values(n);
    for (float& v : values) v = distribution(generator);
    return values;
}

std::vector<std::uint8_t> bytes(std::size_t n) {
    std::vector<std::uint8_t> values(n);
    for (auto& v : values) v = static_cast<std::uint8_t>(generator());
    return values;
}

Matrix matrix(std::size_t rows, std::size_t columns) {
    return {normal(rows * columns), rows, columns};
}

double distance(const float* a, const float* b, std::size_t n) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    return sum;
}

Match nearest(const Matrix& rows, const float* x, Layout layout = Layout::halves) {
    const Bank bank(rows, layout);
    Search search(bank, 1);
    Match match;
    search.run(x, rows.columns, &match);
    return match;
}

void test_nearest(std::size_t dim) {
    for (const std::size_t rows : {1, 3, 31, 32, 33, 70}) {
        const Matrix bank = matrix(rows, dim);
        const std::vector<float> x = normal(dim);
        double best = distance(x.data(), bank.values.data(), dim);
        for (std::size_t r = 1; r < rows; ++r) {
            best = std::min(best, distance(x.data(), bank.values.data() + r * dim, dim));
        }
        const Match match = nearest(bank, x.data(), Layout::halves);
        const Match other = nearest(bank, x.data(), Layout::bytes);
        CHECK(match.row == other.row && match.distance == other.distance);
        CHECK(check::close(match.distance, best, 1e-13));
        CHECK(match.row >= 0 && static_cast<std::size_t>(match.row) < rows);
    }
}

void test_nearest_edges() {
    Matrix bank = {{1, 1, 0, 0, 1, 1}, 3, 2};
    const float tie[] = {1, 1}, far[] = {1e30f, 0}, nan[] = {std::nanf(""), 0};
    CHECK(nearest(bank, tie).row == 0);
    const float infinite[] = {0, std::numeric_limits<float>::infinity()};
    CHECK(nearest(bank, far).row == 0 && check::close(nearest(bank, far).distance, 1e60, 1e-6));
    CHECK(nearest(bank, infinite).row == -1 && std::isinf(nearest(bank, infinite).distance));
    CHECK(nearest(bank, nan).row == -1 && std::isnan(nearest(bank, nan).distance));
}

// An axis-aligned basis makes the expected distance a sum over coordinates.
void test_gaussian(std::size_t dim) {
    const std::size_t rank = dim / 2;
    Matrix basis = {std::vector<float>(rank * dim), rank, dim};
    for (std::size_t r = 0; r < rank; ++r) basis.values[r * dim + r] = 1;
    std::vector<float> gain(rank);
    for (std::size_t r = 0; r < rank; ++r) gain[r] = static_cast<float>(r) + 0.5f;
    const Matrix means = matrix(3, dim);
    const Gaussian gaussian(means, basis, gain, 0.25);
    const std::vector<float> x = normal(dim);
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t m = 0; m < 3; ++m) {
        double sum = 0;
        for (std::size_t i = 0; i < dim; ++i) {
            const double d = double{x[i]} - means.values[m * dim + i];
            sum += (i < rank ? gain[i] : 0.25) * d * d;
        }
        best = std::min(best, sum);
    }
    std::vector<double> scratch(gaussian.scratch_size());
    CHECK(check::close(gaussian.distance(x.data(), scratch.data()).distance, best, 1e-10));
}

double stored(const Tensor& t, const std::vector<std::uint8_t>& data, std::size_t i) {
    if (t.dtype == Dtype::uint8) return data[i];
    if (t.dtype == Dtype::int8) return static_cast<std::int8_t>(data[i]);
    float value;
    std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
    return value;
}

void test_pool(Tensor t) {
    const std::size_t n = t.height * t.width * t.channels;
    std::vector<std::uint8_t> data = bytes(n);
    if (t.dtype == Dtype::float32) {
        const std::vector<float> values = normal(n);
        data.resize(n * sizeof(float));
        std::memcpy(data.data(), values.data(), data.size());
    }
    std::vector<unsigned char> scratch(pooling_scratch_bytes(t));
    std::vector<float> out(pooled_size(t));
    pool(t, data.data(), scratch.data(), out.data());
    for (std::size_t c = 0; c < t.channels; ++c) {
        double sum = 0, square = 0;
        for (std::size_t p = 0; p < t.height * t.width; ++p) {
            const std::size_t i = t.channels_last ? p * t.channels + c : c * t.height * t.width + p;
            const double v = (stored(t, data, i) - t.zero_point) * t.scale;
            sum += v;
            square += v * v;
        }
        const double pixels = static_cast<double>(t.height * t.width), mean = sum / pixels;
        CHECK(check::close(out[c], mean, 1e-6));
        if (pixels == 1) continue;
        const double variance = square / pixels - mean * mean;
        CHECK(check::close(out[t.channels + c], std::sqrt(std::max(0.0, variance)), 1e-5));
        CHECK(out[2 * t.channels + c] <= out[t.channels + c] * 1.5f + 1e-6f);
    }
}

std::size_t numbers() { return kStatistics.size() + kLevels.size(); }

struct Described {
    std::uint64_t hash;
    std::vector<float> values;
};

Described describe(const Image& image) {
    Described result = {0, std::vector<float>(numbers() + 2 * kCells * kCells)};
    float* statistics = result.values.data();
    result.hash = image_statistics(image, statistics, statistics + numbers());
    for (const float v : result.values) CHECK(std::isfinite(v));
    return result;
}

// The same picture, packed and read backwards from a mirrored copy, at every level.
void test_image(std::size_t height, std::size_t width, std::size_t channels) {
    const std::vector<std::uint8_t> pixels = bytes(height * width * channels);
    const std::vector<std::uint8_t> reversed(pixels.rbegin(), pixels.rend());
    const auto c = static_cast<std::ptrdiff_t>(channels);
    const auto row = static_cast<std::ptrdiff_t>(width) * c;
    const Image image = {pixels.data(), height, width, channels, row, c, 1};
    const Image backwards = {&reversed.back(), height, width, channels, -row, -c, -1};
    set_simd_level("scalar");
    const Described reference = describe(image);
    for (const std::string& level : simd_levels()) {
        set_simd_level(level);
        for (const Image& view : {image, backwards}) {
            const Described result = describe(view);
            CHECK(result.hash == reference.hash);
            CHECK(result.values == reference.values);
        }
    }
}

void test_logits() {
    const float logits[] = {2, 5, 5, -1};
    double scratch[8];
    const LogitScores scores =
        logit_scores({Dtype::float32, 1, 1, 4}, logits, {false, 2.0, 0.1, 9}, scratch);
    double total = 0;
    for (const float l : logits) total += std::exp(l / 2.0);
    CHECK(check::close(scores.energy, -2 * std::log(total), 1e-12));
    CHECK(check::close(scores.max_p, std::exp(2.5) / total, 1e-12));
    CHECK(check::close(scores.msp, 1 - std::exp(2.5) / total, 1e-12));
    CHECK(scores.argmax == 1);
    const float nan[] = {2, std::nanf(""), 5, -1};
    CHECK(std::isnan(logit_scores({Dtype::float32, 1, 1, 4}, nan, {}, scratch).gen));
}

std::shared_ptr<const View> tap_view() {
    const Matrix none;
    return std::make_shared<View>(0, 32, std::vector<float>(), matrix(2, 96), matrix(5, 96),
                                  std::vector<float>(5, 1.0f), 1.0, matrix(20, 96), normal(96),
                                  normal(192));
}

double patch_distance(const Patches& patches, const std::vector<float>& map, const Tensor& t,
                      std::size_t y, std::size_t x) {
    const std::size_t dim = patches.basis.rows;
    std::vector<double> q(dim);
    std::size_t n = 0;
    for (std::size_t v = y == 0 ? 0 : y - 1; v < std::min(y + 2, t.height); ++v) {
        for (std::size_t u = x == 0 ? 0 : x - 1; u < std::min(x + 2, t.width); ++u, ++n) {
            for (std::size_t i = 0; i < dim * t.channels; ++i)
                q[i / t.channels] += double{patches.basis.values[i]} *
                                     map[(v * t.width + u) * t.channels + i % t.channels];
        }
    }
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t r = 0; r < patches.bank->rows(); ++r) {
        double sum = 0;
        for (std::size_t i = 0; i < dim; ++i) {
            const double d = q[i] / static_cast<double>(n) - patches.offset[i] -
                             patches.bank->row(r)[i];
            sum += d * d;
        }
        best = std::min(best, std::sqrt(sum));
    }
    return best * patches.gain[y * t.width + x];
}

void test_patches(std::size_t channels, std::size_t dim, std::size_t rows) {
    const Tensor t = {Dtype::float32, 5, 6, channels};
    const std::vector<float> gain(30, 0.5f);
    const Patches patches(0, matrix(dim, channels), normal(dim), matrix(rows, dim), 4, gain);
    const std::vector<float> map = normal(30 * channels);
    PatchMap guard(patches, t);
    const Match match = guard.score(map.data());
    std::vector<double> expected;
    for (std::size_t p = 0; p < 30; ++p) {
        expected.push_back(patch_distance(patches, map, t, p / 6, p % 6));
        CHECK(check::close(guard.distances()[p], expected.back(), 1e-4));
    }
    std::sort(expected.rbegin(), expected.rend());
    CHECK(check::close(match.distance, (expected[0] + expected[1] + expected[2] + expected[3]) / 4,
                       1e-4));
}

template <typename Call>
bool refused(Call call) {
    try {
        call();
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

void test_refusals() {
    const Bank for_one(matrix(3, 8), Layout::halves);
    CHECK(refused([&] { Search search(for_one, 2); }));
    const Tensor map = {Dtype::int8, 2, 2, 4};
    CHECK(refused([] { set_simd_level("quantum"); }));
    CHECK(refused([&] { Scorer(&map, {}, {}, 0, {}, nullptr); }));
    CHECK(refused([] { Scorer(nullptr, {}, {}, 0, {tap_view()}, nullptr); }));
    CHECK(refused([] { Gaussian(matrix(1, 4), matrix(2, 4), {1}, 1); }));
    CHECK(refused([] { Gaussian(matrix(1, 4), matrix(1, 4), {1}, std::nan("")); }));
    Fusion unsorted;
    unsorted.calibration = {2, 1};
    CHECK(refused([&] { unsorted.validate(); }));
}

// What must be the same on every processor: hashes of images, nearest rows and their distances.
void print_digest() {
    std::uint64_t digest = 0;
    const auto add = [&](const void* value) {
        std::uint64_t bits;
        std::memcpy(&bits, value, sizeof bits);
        digest = digest * 0x9e3779b97f4a7c15ULL + bits;
    };
    for (const std::string& level : simd_levels()) {
        set_simd_level(level);
        std::mt19937 portable(11);
        digest = 0;
        Matrix bank = {std::vector<float>(300 * 97), 300, 97};
        for (float& v : bank.values) v = static_cast<float>(portable() % 65536) / 4096 - 8;
        std::vector<float> x(97);
        for (int i = 0; i < 20; ++i) {
            for (float& v : x) v = static_cast<float>(portable() % 65536) / 4096 - 8;
            const Match match = nearest(bank, x.data());
            digest += static_cast<std::uint64_t>(match.row);
            add(&match.distance);
        }
        std::vector<std::uint8_t> pixels(40 * 50 * 3);
        for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(portable());
        std::vector<float> statistics(numbers()), cells(2 * kCells * kCells);
        const std::uint64_t hash = image_statistics({pixels.data(), 40, 50, 3, 150, 3, 1},
                                                    statistics.data(), cells.data());
        add(&hash);
        std::printf("digest at %s: %016llx\n", level.c_str(),
                    static_cast<unsigned long long>(digest));
    }
}

void test_level() {
    for (const std::size_t size : kSizes) {
        test_patches(size, 1 + size % 33, 1 + size % 97);
        test_nearest(size);
        test_gaussian(size);
        for (const Dtype dtype : {Dtype::float32, Dtype::int8, Dtype::uint8}) {
            for (const bool channels_last : {true, false}) {
                test_pool(
                    {dtype, 7, 5, size, channels_last, 0.25, dtype == Dtype::float32 ? 0 : 3});
                test_pool({dtype, 2, size, 3, channels_last, 1.0, 0});
            }
        }
    }
    test_pool({Dtype::uint8, 300, 260, 2, true, 1.0, 0});  // more pixels than one integer sum holds
    test_nearest_edges();
}

}  // namespace

int main() {
    for (const std::string& level : simd_levels()) {
        set_simd_level(level);
        test_level();
    }
    for (const std::size_t width : {16, 17, 31, 33, 63, 64, 65, 97, 128, 1280}) {
        test_image(19, width, 3);
        test_image(16, width, 1);
        test_image(256 + width % 40, width, width % 2 == 0 ? 3 : 1);
    }
    test_logits();
    test_refusals();
    print_digest();
    if (check::failures == 0) {
        std::printf("kernels: all checks passed at");
        for (const std::string& level : simd_levels()) std::printf(" %s", level.c_str());
        std::puts("");
    }
    return check::failures == 0 ? 0 : 1;
}
