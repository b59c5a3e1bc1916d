#include "scenarios/traces/resampling.hpp"

#include "scenarios/compile/workload_source.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/traces/trace_writer.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <map>

using namespace windtunnel;

namespace {

/// Requests that know where they are from: prompt_tokens is one more than their place in the trace.
Trace numbered(const std::vector<double>& arrivals_s, double span_s) {
    Trace trace;
    for (const double at : arrivals_s) {
        Request r;
        r.arrival = from_seconds(at);
        r.prompt_tokens = static_cast<std::uint32_t>(trace.requests.size() + 1);
        r.output_tokens = 7;
        trace.requests.push_back(r);
    }
    trace.span = from_seconds(span_s);
    return trace;
}

/// An hour: for 30 s two requests a second, for 30 s none, and so on; twice as many in the second half.
/// Autocorrelation over 5 s of such waves of one height: in 10 of 12 cases the count is that of 5 s before, so 2/3. Where
/// the waves begin anywhere within 5 s, at a share f, two intervals of a wave's twelve hold a part: 2 / (2.5 + 2 (f - 1/2)^2),
/// over all f 3.2 sqrt(1.25) / 2 x atan(1 / (2 sqrt(1.25))) = 0.752.
Trace waves(int first = 2, int second = 4) {
    std::vector<double> arrivals;
    for (int s = 0; s < 3600; ++s)
        for (int i = 0; s % 60 < 30 && i < (s < 1800 ? first : second); ++i) arrivals.push_back(s + 0.2 * i + 0.01);
    return numbered(arrivals, 3600);
}

ResamplingSpec blocks_of(double block_s) {
    ResamplingSpec spec;
    spec.block = from_seconds(block_s);
    return spec;
}

const Request& source_of(const Trace& trace, const Request& r) { return trace.requests[r.prompt_tokens - 1]; }

struct Mean {
    double sum = 0, squares = 0, n = 0;
    void add(double x) { sum += x, squares += x * x, ++n; }
    [[nodiscard]] double value() const { return sum / n; }
    /// Four standard errors: one such interval in 16,000 misses.
    [[nodiscard]] double margin() const { return 4 * std::sqrt((squares / n - value() * value()) / (n - 1)) + 1e-9; }
};

std::size_t count_between(const Trace& trace, double from_s, double to_s) {
    std::size_t n = 0;
    for (const Request& r : trace.requests) n += r.arrival >= from_seconds(from_s) && r.arrival < from_seconds(to_s) ? 1 : 0;
    return n;
}

/// Of the counts in intervals of 5 s, one interval apart.
double autocorrelation(const Trace& trace) {
    std::vector<double> counts(static_cast<std::size_t>(to_seconds(trace.span) / 5));
    for (const Request& r : trace.requests)
        counts[std::min(counts.size() - 1, static_cast<std::size_t>(to_seconds(r.arrival) / 5))] += 1;
    double mean = 0, above = 0, below = 0;
    for (const double c : counts) mean += c / static_cast<double>(counts.size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
        below += (counts[i] - mean) * (counts[i] - mean);
        if (i > 0) above += (counts[i] - mean) * (counts[i - 1] - mean);
    }
    return above / below;
}

}  // namespace

TEST_CASE("resampling: blocks from anywhere keep the mean rate, everywhere, and the requests within blocks as they were") {
    const Trace trace = waves();  // 1800 + 3600 requests
    REQUIRE(trace.requests.size() == 5400);
    Mean all, quarter;
    std::size_t wrong = 0;
    for (std::uint32_t trial = 0; trial < 300; ++trial) {
        const Trace drawn = resample(trace, blocks_of(300), 11, trial, 0);
        CHECK(drawn.span == trace.span);
        all.add(static_cast<double>(drawn.requests.size()));
        quarter.add(static_cast<double>(count_between(drawn, 0, 900)));
        std::size_t seams = 0;
        for (std::size_t i = 1; i < drawn.requests.size(); ++i) {
            const Request &a = drawn.requests[i - 1], &b = drawn.requests[i];
            wrong += a.arrival <= b.arrival ? 0 : 1;
            if (b.prompt_tokens == a.prompt_tokens + 1 &&
                b.arrival - a.arrival == source_of(trace, b).arrival - source_of(trace, a).arrival)
                continue;
            ++seams;
        }
        CHECK(seams <= 11 + 12);  // between 12 blocks, and where a block goes over the trace's end
    }
    CHECK(wrong == 0);
    CHECK(all.value() == Approx(5400).margin(all.margin()));
    CHECK(quarter.value() == Approx(1350).margin(quarter.margin()));  // the trace's own first quarter has 900
    CHECK(all.margin() > 20);                                         // and futures differ
}

TEST_CASE("resampling: what requests have to do with each other stays within a block, and is lost between short ones") {
    const Trace trace = waves(2, 2);
    Mean longer, shorter;
    for (std::uint32_t trial = 0; trial < 40; ++trial) {
        longer.add(autocorrelation(resample(trace, blocks_of(600), 3, trial, 0)));
        shorter.add(autocorrelation(resample(trace, blocks_of(5), 3, trial, 0)));
    }
    CHECK(autocorrelation(trace) == Approx(2.0 / 3).margin(0.01));
    CHECK(longer.value() == Approx(0.752 * (1 - 5.0 / 719)).margin(0.015));  // five seams
    CHECK(std::abs(shorter.value()) < 0.03);  // 720 independent intervals: 1 / sqrt(720) for one trial
}

TEST_CASE("resampling: blocks stay near their place, or at their place of another period") {
    const Trace trace = waves();
    ResamplingSpec near = blocks_of(120), seasonal = blocks_of(120);
    near.within = seconds(600);
    seasonal.period = seconds(900);
    std::map<std::int64_t, int> periods;
    Mean first_half;
    std::size_t wrong = 0;
    for (std::uint32_t trial = 0; trial < 100; ++trial) {
        const Trace a = resample(trace, near, 5, trial, 0), b = resample(trace, seasonal, 5, trial, 0);
        first_half.add(static_cast<double>(count_between(a, 0, 1800 - 720)));
        for (const Request& r : a.requests) {
            const std::int64_t moved = r.arrival.count - source_of(trace, r).arrival.count;
            wrong += std::abs(moved) <= seconds(600).count ? 0 : 1;
        }
        for (const Request& r : b.requests) {
            const std::int64_t moved = r.arrival.count - source_of(trace, r).arrival.count;
            wrong += moved % seconds(900).count == 0 ? 0 : 1;
            if (r.arrival < seconds(120)) ++periods[moved / seconds(900).count];
        }
    }
    CHECK(wrong == 0);
    // So far from the second half, the first half's rate of one a second is all there is.
    CHECK(first_half.value() == Approx(1080).margin(first_half.margin()));
    CHECK(periods.size() == 4);  // an hour has four quarters; each is drawn
}

TEST_CASE("resampling: growth thins and lays draws over each other, at the rate that it says") {
    const Trace trace = waves();
    const auto counts = [&](ResamplingSpec spec, std::vector<ProfilePoint> growth, double from_s, double to_s) {
        spec.growth = std::move(growth);
        Mean mean;
        for (std::uint32_t trial = 0; trial < 200; ++trial)
            mean.add(static_cast<double>(count_between(resample(trace, spec, 23, trial, 0), from_s, to_s)));
        return mean;
    };
    // Alone, thinning has the binomial's spread: 5400 x 0.3 = 1620, sqrt(5400 x 0.3 x 0.7) = 33.7.
    const Mean thinned = counts({}, {{0, 0.3}}, 0, 3600);
    CHECK(thinned.value() == Approx(1620).margin(thinned.margin()));
    CHECK(thinned.margin() == Approx(4 * 33.7 / std::sqrt(200)).epsilon(0.15));
    const Mean grown = counts(blocks_of(300), {{0, 2.5}}, 0, 3600);
    CHECK(grown.value() == Approx(13'500).margin(grown.margin()));
    // From 1 to 3 in a straight line over the hour: 1.25 on average in the first quarter, 2.75 in the last.
    const Mean first = counts(blocks_of(300), {{0, 1}, {3600, 3}}, 0, 900),
               last = counts(blocks_of(300), {{0, 1}, {3600, 3}}, 2700, 3600);
    CHECK(first.value() == Approx(1350 * 1.25).margin(first.margin()));
    CHECK(last.value() == Approx(1350 * 2.75).margin(last.margin()));
}

TEST_CASE("resampling: a future depends on seed, trial and workload alone, and growth only adds to it") {
    const Trace trace = waves();
    const auto drawn = [&](double growth, std::uint64_t seed, std::uint32_t trial, std::uint32_t workload) {
        ResamplingSpec spec = blocks_of(300);
        if (growth != 1) spec.growth = {{0, growth}};
        std::vector<std::pair<std::int64_t, std::uint32_t>> out;
        for (const Request& r : resample(trace, spec, seed, trial, workload).requests)
            out.emplace_back(r.arrival.count, r.prompt_tokens);
        return out;
    };
    const auto base = drawn(1, 9, 4, 0);
    CHECK(drawn(1, 9, 4, 0) == base);
    CHECK(drawn(1, 8, 4, 0) != base);
    CHECK(drawn(1, 9, 5, 0) != base);
    CHECK(drawn(1, 9, 4, 1) != base);
    // Less growth is a part of more: under one seed, two scenarios of growth are compared on the same requests.
    std::vector<std::pair<std::int64_t, std::uint32_t>> smaller;
    for (const double growth : {0.4, 0.7, 1.0, 1.6, 2.3}) {
        const auto larger = drawn(growth, 9, 4, 0);
        CHECK(larger.size() > smaller.size());
        CHECK(std::includes(larger.begin(), larger.end(), smaller.begin(), smaller.end()));
        smaller = larger;
    }
}

TEST_CASE("resampling: each trial of a scenario's trace is another future, cut at the scenario's duration") {
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("windtunnel_resampling_" + std::to_string(::getpid()) + ".csv");
    REQUIRE(write_trace(file, waves()).empty());
    Scenario scenario;
    WorkloadSpec workload;
    workload.trace = file.string();
    scenario.workloads = {workload};
    const auto same = WorkloadSource::make(scenario, 1);
    REQUIRE(same.ok());
    CHECK(same->trial(0) == same->trial(1));
    scenario.workloads[0].resample = blocks_of(300);
    scenario.duration = seconds(1000);
    const auto source = WorkloadSource::make(scenario, 1);
    REQUIRE(source.ok());
    CHECK(source->is_random());
    CHECK(source->trial(0)->requests.front().arrival < seconds(60));
    CHECK(source->trial(1)->requests.size() != source->trial(0)->requests.size());
    CHECK(source->trial(1)->requests.back().arrival < seconds(1000));
    CHECK(source->trial(1)->span == seconds(1000));
    CHECK(source->trial(7)->requests.size() == WorkloadSource::make(scenario, 1)->trial(7)->requests.size());
    scenario.workloads[0].resample = blocks_of(4000);
    CHECK_FALSE(WorkloadSource::make(scenario, 1).ok());
    std::filesystem::remove(file);
}

TEST_CASE("resampling: what the trace cannot give is refused") {
    const Trace trace = waves();
    const auto refused = [&](ResamplingSpec spec, const std::string& part) {
        spec.path = "workload.resample";
        const Problems problems = problems_of(spec, trace);
        return problems.size() == 1 && to_string(problems[0]).find(part) != std::string::npos;
    };
    CHECK(problems_of(blocks_of(3600), trace).empty());
    CHECK(refused(blocks_of(3601), "workload.resample.block_s: found 3601, allowed: at most the trace's span of"));
    ResamplingSpec spec = blocks_of(600);
    spec.period = seconds(3100);
    CHECK(refused(spec, "workload.resample.period_s"));
    spec = {};
    spec.growth = {{0, 1.5}};
    CHECK(refused(spec, "without block_s"));
    spec = blocks_of(600);
    spec.growth = {{0, 65}};
    CHECK(refused(spec, "at most 64"));
}
