// Fitted arrays are shared, buffers are not: threads with a Scorer each, over the same views, give
// what one thread gives. Made for the thread sanitizer.
#include <random>
#include <thread>

#include "check.hpp"
#include "kernels.hpp"

namespace {

using namespace eg;

constexpr std::size_t kThreads = 4, kFrames = 20, kSide = 6, kChannels = 17;

std::vector<float> values(std::mt19937& generator, std::size_t n) {
    std::vector<float> made(n);
    for (float& v : made) v = static_cast<float>(generator() % 2001) / 1000 - 1;
    return made;
}

struct Shared {
    std::mt19937 generator{7};
    Tensor map = {Dtype::float32, kSide, kSide, kChannels};
    std::shared_ptr<const View> view;
    std::unique_ptr<Patches> patches;
    std::vector<float> data;
    std::vector<std::uint8_t> pixels;

    Shared() : pixels(40 * 50 * 3) {
        const auto matrix = [&](std::size_t rows, std::size_t columns) {
            return Matrix{values(generator, rows * columns), rows, columns};
        };
        view = std::make_shared<View>(0, 0, std::vector<float>(), matrix(2, 3 * kChannels),
                                      matrix(4, 3 * kChannels), std::vector<float>(4, 1.0f), 0.5,
                                      matrix(100, 3 * kChannels), std::vector<float>(),
                                      std::vector<float>());
        patches = std::make_unique<Patches>(0, matrix(8, kChannels), values(generator, 8),
                                            matrix(60, 8), 3);
        data = values(generator, kFrames * kSide * kSide * kChannels);
        for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(generator());
    }
};

std::vector<double> scores(const Shared& shared) {
    Scorer scorer(nullptr, {}, {shared.map}, 0, {shared.view}, nullptr, shared.patches.get());
    std::vector<double> all, out(scorer.n_scores() + 3);
    std::vector<std::int32_t> indices(scorer.n_indices());
    std::vector<float> statistics(kStatistics.size() + kLevels.size()), cells(2 * kCells * kCells);
    for (std::size_t frame = 0; frame < kFrames; ++frame) {
        const void* taps[] = {shared.data.data() + frame * kSide * kSide * kChannels};
        scorer.score(nullptr, taps, nullptr, out.data(), indices.data());
        all.insert(all.end(), out.begin(), out.begin() + static_cast<long>(scorer.n_scores()));
        const Image image = {shared.pixels.data(), 40 - frame, 50 - frame, 3, 150, 3, 1};
        image_statistics(image, statistics.data(), cells.data());
        all.insert(all.end(), statistics.begin(), statistics.end());
    }
    return all;
}

}  // namespace

int main() {
    const Shared shared;
    const std::vector<double> expected = scores(shared);
    std::vector<std::vector<double>> found(kThreads);
    std::vector<std::thread> threads;
    for (auto& result : found) threads.emplace_back([&] { result = scores(shared); });
    for (std::thread& thread : threads) thread.join();
    for (const auto& result : found) CHECK(result == expected);
    if (check::failures == 0) std::puts("threads: all checks passed");
    return check::failures == 0 ? 0 : 1;
}
