// Arguments at random for everything that checks its arguments: it is refused with
// std::invalid_argument, or it works on buffers of exactly the announced size. Nothing else may
// happen; sanitizers see to that.
//
// LLVMFuzzerTestOneInput is what libFuzzer and its like call. Without one, main() feeds it
// `argv[1]` random inputs.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>

#include "kernels.hpp"

namespace {

using namespace eg;

// Decisions taken from the input, byte after byte; zeros when it has run out.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    std::size_t below(std::size_t limit) { return byte() % limit; }
    bool flag() { return (byte() & 1) != 0; }

    // Mostly what is right, now and then what is not.
    std::size_t near(std::size_t right) {
        const std::size_t kind = below(24);
        return kind == 0 ? right + 1 : kind == 1 && right > 0 ? right - 1 : right;
    }

    double number() {
        static const double kOdd[] = {0.0,   -0.0,   1e300, -1e300, 1e38, -3e38, 1e-45, 1e-300,
                                      1e-20, -1e-20, 1e15,  -1e18,  std::nan(""),
                                      std::numeric_limits<double>::infinity()};
        const std::size_t kind = below(40);
        if (kind < sizeof kOdd / sizeof *kOdd) return kOdd[kind];
        return (static_cast<double>(byte()) - 100) / 32;
    }

    std::vector<float> floats(std::size_t n) {
        std::vector<float> values(n);
        const bool tame = flag();
        for (float& v : values) {
            v = tame ? static_cast<float>(byte()) / 16 - 8 : static_cast<float>(number());
        }
        return values;
    }

    std::vector<double> doubles(std::size_t n) {
        std::vector<double> values(n);
        for (double& v : values) v = number();
        return values;
    }

    Matrix matrix(std::size_t rows, std::size_t columns) {
        rows = near(rows), columns = near(columns);
        return {floats(rows * columns), rows, columns};
    }

    Tensor tensor() {
        const bool flat = below(3) == 0;
        return {static_cast<Dtype>(below(3)), flat ? 1 : below(7),    flat ? 1 : below(9),
                below(20),                    flag(), flag() ? number() : 0.5,
                static_cast<std::int32_t>(below(200)) - 100};
    }

    std::vector<std::uint8_t> stored(const Tensor& t) {
        const std::size_t n = t.height * t.width * t.channels;
        std::vector<std::uint8_t> data(n * (t.dtype == Dtype::float32 ? sizeof(float) : 1));
        if (t.dtype == Dtype::float32) {
            const std::vector<float> values = floats(n);
            if (n > 0) std::memcpy(data.data(), values.data(), data.size());
        } else {
            for (auto& v : data) v = byte();
        }
        return data;
    }

private:
    std::uint8_t byte() { return next_ < size_ ? data_[next_++] : 0; }

    const std::uint8_t* data_;
    std::size_t size_, next_ = 0;
};

std::shared_ptr<const View> view(Input& in, const std::vector<Tensor>& taps, std::size_t n) {
    const auto source = static_cast<std::int64_t>(in.near(in.below(taps.size() + 1))) - 1;
    const bool known = source >= 0 && source < static_cast<std::int64_t>(taps.size());
    const std::size_t dim = known ? pooled_size(taps[static_cast<std::size_t>(source)]) : n;
    const std::size_t rank = in.below(4);
    return std::make_shared<View>(
        source, in.flag() ? 0 : in.near(dim), in.floats(in.flag() ? 0 : in.near(dim)),
        in.matrix(in.below(3), dim), in.matrix(rank, dim), in.floats(in.near(rank)), in.number(),
        in.matrix(in.below(70), dim), in.floats(in.flag() ? 0 : in.near(dim)),
        in.floats(in.flag() ? 0 : in.near(2 * dim)));
}

Fusion fusion(Input& in, std::size_t n) {
    Fusion made;
    made.center = in.doubles(in.near(n)), made.spread = in.doubles(in.near(n));
    made.weight = in.doubles(in.near(n)), made.tail = in.doubles(in.near(n));
    made.knee = in.doubles(in.near(n));
    made.top1 = in.number(), made.top3 = in.number();
    made.calibration = in.doubles(in.below(4)), made.solo = in.doubles(in.below(5));
    return made;
}

void score_something(Input& in) {
    const bool classes = in.flag();
    Tensor logits = in.tensor();
    if (in.below(8) != 0) logits.height = logits.width = 1;
    std::vector<Tensor> taps(in.below(3));
    for (Tensor& tap : taps) tap = in.tensor();
    const std::size_t n_statistics = in.below(9);
    std::vector<std::shared_ptr<const View>> views(in.below(3));
    for (auto& v : views) v = view(in, taps, n_statistics);
    std::unique_ptr<Patches> patches;
    if (!taps.empty() && in.flag()) {
        const std::size_t dim = 1 + in.below(5);
        patches = std::make_unique<Patches>(in.near(0), in.matrix(dim, taps[0].channels),
                                            in.floats(in.near(dim)), in.matrix(in.below(40), dim),
                                            in.below(5),
                                            in.floats(in.flag() ? 0 : taps[0].height * taps[0].width));
    }
    const LogitOptions options = {in.flag(), in.number(), in.number(), in.below(30)};
    std::unique_ptr<Fusion> fused;
    if (in.below(4) == 0) fused = std::make_unique<Fusion>(fusion(in, in.below(8)));
    Scorer scorer(classes ? &logits : nullptr, options, taps, n_statistics, views, fused.get(),
                  patches.get());
    std::vector<std::vector<std::uint8_t>> data;
    std::vector<const void*> pointers;
    for (const Tensor& tap : taps) data.push_back(in.stored(tap));
    for (const auto& buffer : data) pointers.push_back(buffer.data());
    const std::vector<std::uint8_t> logit_data = in.stored(logits);
    const std::vector<float> statistics = in.floats(n_statistics);
    std::vector<double> values(scorer.n_scores() + 3);
    std::vector<std::int32_t> indices(scorer.n_indices());
    scorer.score(logit_data.data(), pointers.data(), statistics.data(), values.data(),
                 indices.data());
}

void describe_an_image(Input& in) {
    const std::size_t channels = in.flag() ? 3 : 1;
    const std::size_t height = 16 + in.below(40), width = 16 + in.below(120);
    std::vector<std::uint8_t> pixels(height * width * channels);
    for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(in.below(256));
    const auto c = static_cast<std::ptrdiff_t>(channels);
    const Image image = {pixels.data(), height, width, channels,
                         static_cast<std::ptrdiff_t>(width) * c, c, 1};
    std::vector<float> statistics(kStatistics.size() + kLevels.size()), cells(2 * kCells * kCells);
    image_statistics(image, statistics.data(), cells.data());
    for (const float v : statistics) {
        if (!std::isfinite(v)) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in(data, size);
    const std::vector<std::string> levels = simd_levels();
    set_simd_level(levels[in.below(levels.size())]);
    try {
        in.below(4) == 0 ? describe_an_image(in) : score_something(in);
    } catch (const std::invalid_argument&) {
        return 1;
    }
    return 0;
}

#ifndef EG_LIBFUZZER
int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 1000;
    std::mt19937 generator(argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 1u);
    int refused = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<std::uint8_t> data(generator() % 4000);
        for (auto& byte : data) byte = static_cast<std::uint8_t>(generator());
        refused += LLVMFuzzerTestOneInput(data.data(), data.size());
    }
    std::printf("fuzz: %d inputs, %d of them refused\n", rounds, refused);
    return 0;
}
#endif
