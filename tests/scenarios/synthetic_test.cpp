#include "scenarios/traces/renewal.hpp"
#include "scenarios/traces/synthetic.hpp"
#include "scenarios/traces/trace_commands.hpp"
#include "scenarios/traces/trace_reader.hpp"
#include "scenarios/traces/trace_stats.hpp"
#include "scenarios/traces/trace_writer.hpp"
#include "scenarios/traces/workload_presets.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

using namespace windtunnel;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

LengthSpec fixed_length(std::int64_t tokens) {
    LengthSpec length;
    length.kind = LengthKind::fixed;
    length.tokens = tokens;
    return length;
}

SyntheticSpec base_spec(double rate, double duration) {
    SyntheticSpec spec;
    spec.rate_rps = rate;
    spec.duration_s = duration;
    spec.prompt = fixed_length(100);
    spec.output = fixed_length(10);
    return spec;
}

Trace drawn(const SyntheticSpec& spec, std::uint64_t seed = 1, std::uint32_t trial = 0) {
    Result<Trace> trace = synthesise(spec, seed, trial);
    INFO((trace.ok() ? std::string() : to_string(trace.problems().front())));
    REQUIRE(trace.ok());
    REQUIRE(std::is_sorted(trace->requests.begin(), trace->requests.end(),
                           [](const Request& a, const Request& b) { return a.arrival < b.arrival; }));
    REQUIRE(trace->requests.back().arrival <= trace->span);
    return std::move(*trace);
}

std::size_t between(const Trace& trace, double from_s, double to_s) {
    return static_cast<std::size_t>(
        std::count_if(trace.requests.begin(), trace.requests.end(), [&](const Request& r) {
            return r.arrival >= from_seconds(from_s) && r.arrival < from_seconds(to_s);
        }));
}

bool same_requests(const Trace& a, const Trace& b) {
    return a.requests.size() == b.requests.size() &&
           std::memcmp(a.requests.data(), b.requests.data(), a.requests.size() * sizeof(Request)) == 0;
}

std::optional<fs::path> shared_lengths(const char* file) {
    const fs::path path = fs::path(WINDTUNNEL_SOURCE_DIR) / "../shared/data" / file;
    if (fs::exists(path)) return path;
    WARN("not there, skipped: ../shared/data/" << file);
    return std::nullopt;
}

}  // namespace

TEST_CASE("synthetic: rate and variation of each arrival process are those asked for") {
    struct Case {
        ArrivalProcess process;
        double cv;
    };
    for (const Case c : {Case{ArrivalProcess::poisson, 1}, Case{ArrivalProcess::gamma, 2.5},
                         Case{ArrivalProcess::gamma, 0.4}, Case{ArrivalProcess::weibull, 1.7},
                         Case{ArrivalProcess::constant, 0}}) {
        SyntheticSpec spec = base_spec(20, 3'000);
        spec.process = c.process;
        if (c.process == ArrivalProcess::gamma || c.process == ArrivalProcess::weibull) spec.cv = c.cv;
        const Trace trace = drawn(spec);
        // 60,000 expected; the count's deviation is cv * sqrt(60000) = 245 cv: allow 4 of them.
        CHECK(std::abs(static_cast<double>(trace.requests.size()) - 60'000) <= 4 * 245 * c.cv);
        CHECK(trace_stats(trace).gap_s.cv() == Approx(c.cv).epsilon(0.04).margin(1e-6));
        CHECK(trace.span == seconds(3'000));
    }
}

TEST_CASE("renewal: a bursty process has its full rate from the first moment on") {
    // Arrivals in the first 30 mean gaps, CV 3: an ordinary renewal process would have up to (9 - 1)/2 = 4
    // more.
    for (const GapFamily family : {GapFamily::gamma, GapFamily::weibull}) {
        const UnitGaps gaps(family, shape_of_cv(family, 3));
        RandomStream stream(5, 0, StreamPurpose::arrivals, 0);
        int total = 0;
        for (int start = 0; start < 20'000; ++start)
            for (double at = gaps.first(stream); at < 30; at += gaps.next(stream)) ++total;
        CHECK(total / 20'000.0 == Approx(30).margin(0.5));  // sd of the mean: sqrt(9 * 30 / 20000) = 0.12
    }
}

TEST_CASE("synthetic: constant gaps begin at zero and fill the duration") {
    SyntheticSpec spec = base_spec(10, 60);
    spec.process = ArrivalProcess::constant;
    const Trace trace = drawn(spec);
    REQUIRE(trace.requests.size() == 600);
    for (std::size_t i = 0; i < 600; ++i) {
        const std::int64_t error =
            trace.requests[i].arrival.count - static_cast<std::int64_t>(i) * ticks_per_second / 10;
        CHECK(std::abs(error) < 100);
    }
}

TEST_CASE("synthetic: the same seed gives the same bytes; another seed, trial or workload others") {
    SyntheticSpec spec;
    spec.preset = "azure-conv-2023";
    spec.duration_s = 600;
    const Trace trace = drawn(spec, 9, 3);
    CHECK(same_requests(trace, drawn(spec, 9, 3)));
    CHECK_FALSE(same_requests(trace, drawn(spec, 8, 3)));
    CHECK_FALSE(same_requests(trace, drawn(spec, 9, 4)));
    CHECK_FALSE(same_requests(trace, *synthesise(spec, 9, 3, 1)));
    // Common random numbers: a longer run begins with the shorter one.
    spec.duration_s = 1200;
    const Trace longer = drawn(spec, 9, 3);
    CHECK(std::memcmp(longer.requests.data(), trace.requests.data(),
                      trace.requests.size() * sizeof(Request)) == 0);
}

TEST_CASE("synthetic: a number of requests is met exactly, with a rate or within a duration") {
    SyntheticSpec spec = base_spec(50, 1);
    spec.duration_s.reset();
    spec.requests = 20'000;
    Trace trace = drawn(spec);
    CHECK(trace.requests.size() == 20'000);
    CHECK(to_seconds(trace.span) == Approx(400).epsilon(0.03));  // sd sqrt(20000)/50 = 2.8 s
    CHECK(trace.span == trace.requests.back().arrival);
    spec.rate_rps.reset();
    spec.duration_s = 1000;
    for (const ArrivalProcess process : {ArrivalProcess::poisson, ArrivalProcess::constant}) {
        spec.process = process;
        trace = drawn(spec);
        CHECK(trace.requests.size() == 20'000);
        CHECK(trace.span == seconds(1000));
        CHECK(to_seconds(trace.requests.back().arrival) == Approx(1000).epsilon(1e-3));
        CHECK(between(trace, 0, 500) == Approx(10'000).epsilon(0.04));
    }
    spec.rate_rps = 1;  // too slow for the number: the duration ends it
    trace = drawn(spec);
    CHECK(trace.requests.size() == 1000);
    CHECK(trace.span == seconds(1000));
}

TEST_CASE("synthetic: profiles, bursts and ramps put their integral of requests into every part") {
    SyntheticSpec spec = base_spec(100, 1000);
    spec.bursts = {{200, 100, 3}};
    spec.ramps = {{400, 200, 0.5}};
    const Trace trace = drawn(spec);
    // 100/s * 200 s; * 3 * 100 s; 100 * 100; mean factor 0.75 * 200 s; 0.5 * 400 s. Poisson: allow 4
    // deviations.
    const auto expect = [&](double from, double to, double n) {
        CHECK(std::abs(static_cast<double>(between(trace, from, to)) - n) < 4 * std::sqrt(n));
    };
    expect(0, 200, 20'000);
    expect(200, 300, 30'000);
    expect(300, 400, 10'000);
    expect(400, 600, 15'000);
    expect(400, 500, 8750);  // factor from 1 to 0.75
    expect(600, 1000, 20'000);

    SyntheticSpec custom = base_spec(100, 400);
    custom.profile = RateProfile::custom;
    custom.points = {{100, 0}, {200, 2}, {300, 2}};
    const Trace shaped = drawn(custom);
    CHECK(between(shaped, 0, 100) == 0);
    CHECK(std::abs(static_cast<double>(between(shaped, 100, 150)) - 2500) <
          200);  // 100 * 50^2/2 * 2/100 = 2500
    CHECK(std::abs(static_cast<double>(between(shaped, 100, 200)) - 10'000) < 400);
    CHECK(std::abs(static_cast<double>(between(shaped, 200, 400)) - 40'000) < 800);
}

TEST_CASE("synthetic: a day keeps its mean rate, its hours and the variation of its gaps") {
    SyntheticSpec spec = base_spec(5, 86'400);
    spec.profile = RateProfile::daily;
    const Trace day = drawn(spec);
    CHECK(static_cast<double>(day.requests.size()) == Approx(432'000).epsilon(0.01));
    // Hour 22 is the middle of linear pieces from (1.621 + 2.194)/2 over 2.194 to (2.194 + 1.181)/2:
    // mean 1.9955.
    CHECK(static_cast<double>(between(day, 22 * 3600, 23 * 3600)) ==
          Approx(5 * 3600 * 1.99550).epsilon(0.02));
    const double daily = std::accumulate(daily_profile().begin(), daily_profile().end(), 0.0) / 24;
    const double weekly = std::accumulate(weekly_profile().begin(), weekly_profile().end(), 0.0) / 168;
    CHECK(daily == Approx(1).epsilon(1e-3));
    CHECK(weekly == Approx(1).epsilon(1e-3));
    CHECK(daily_profile().size() == 24);
    CHECK(weekly_profile().size() == 168);
    // Gamma gaps of CV 2 under a rate that changes fourfold: over each gap's own mean they still have CV 2.
    // Measured in stretches of 60 s, within which the rate hardly moves.
    spec.rate_rps = 20;
    spec.process = ArrivalProcess::gamma;
    spec.cv = 2;
    const Trace bursty = drawn(spec);
    double squares = 0, gaps = 0;
    for (std::size_t i = 0; i + 1 < bursty.requests.size(); ++i) {
        const double at = to_seconds(bursty.requests[i].arrival) / 3600 - 0.5;
        const double whole = std::floor(at), part = at - whole;
        const auto hour = static_cast<std::size_t>(whole + 24) % 24;
        const double factor = daily_profile()[hour] * (1 - part) + daily_profile()[(hour + 1) % 24] * part;
        const double gap =
            to_seconds(bursty.requests[i + 1].arrival - bursty.requests[i].arrival) * 20 * factor;
        squares += gap * gap;
        gaps += gap;
    }
    const auto n = static_cast<double>(bursty.requests.size() - 1);
    CHECK(gaps / n == Approx(1).epsilon(0.01));
    CHECK(std::sqrt(squares / n - 1) == Approx(2).epsilon(0.03));
}

TEST_CASE("synthetic: lengths follow their distribution and never leave its bounds") {
    SyntheticSpec spec = base_spec(100, 1000);
    LengthSpec uniform;
    uniform.kind = LengthKind::uniform;
    uniform.smallest = 5;
    uniform.largest = 8;
    LengthSpec lognormal;
    lognormal.kind = LengthKind::lognormal;
    lognormal.median = 500;
    lognormal.sigma = 1;
    lognormal.smallest = 10;
    lognormal.largest = 20'000;
    spec.prompt = uniform;
    spec.output = lognormal;
    const Trace trace = drawn(spec);
    std::array<int, 4> counts{};
    for (const Request& r : trace.requests) {
        ++counts.at(r.prompt_tokens - 5);
        CHECK_FALSE((r.output_tokens < 10 || r.output_tokens > 20'000));
    }
    for (const int count : counts)
        CHECK(count == Approx(static_cast<double>(trace.requests.size()) / 4).epsilon(0.03));
    CHECK(trace_stats(trace).output.quantiles[5] == Approx(500).epsilon(0.02));
    CHECK(trace_stats(trace).output.quantiles[7] ==
          Approx(500 * std::exp(1.281552)).epsilon(0.03));  // 90% of the normal
}

TEST_CASE("synthetic: what cannot be drawn is refused with every reason and its path") {
    SyntheticSpec spec;
    spec.preset = "azure-2023";
    spec.rate_rps = -1;
    spec.cv = 0;
    spec.profile = RateProfile::custom;
    spec.bursts = {{0, 10, -2}};
    spec.prompt = fixed_length(0);
    const Result<Trace> refused = synthesise(spec, 1, 0, 0, "workload.synthetic");
    REQUIRE_FALSE(refused.ok());
    std::string all;
    for (const Problem& problem : refused.problems()) all += to_string(problem) + "\n";
    CHECK_THAT(all, Contains("workload.synthetic.preset: found \"azure-2023\", allowed: arxiv-summarization, "
                             "azure-conv-2023"));
    CHECK_THAT(all, Contains("workload.synthetic.rate_rps: found -1"));
    CHECK_THAT(all, Contains("two of rate_rps, duration_s and requests"));
    CHECK_THAT(all, Contains("workload.synthetic.cv: found 0"));
    CHECK_THAT(all, Contains("workload.synthetic.points: found none"));
    CHECK_THAT(all, Contains("workload.synthetic.bursts[0].factor: found -2"));
    CHECK_THAT(all, Contains("workload.synthetic.prompt.tokens: found 0"));
    SyntheticSpec silent = base_spec(10, 10);
    silent.bursts = {{0, 10, 0}};
    CHECK_FALSE(synthesise(silent, 1, 0).ok());
    SyntheticSpec endless = base_spec(1e9, 4e7);
    CHECK_FALSE(synthesise(endless, 1, 0).ok());
    SyntheticSpec stops = base_spec(10, 1);
    stops.duration_s.reset();
    stops.requests = 1000;
    stops.profile = RateProfile::custom;
    stops.points = {{0, 1}, {10, 0}};  // 50 requests, then silence for ever
    CHECK_FALSE(synthesise(stops, 1, 0).ok());
}

TEST_CASE("presets: quantiles ascend and means are those of the traces they are named after") {
    struct Mean {
        const char* name;
        double prompt, output;
    };
    // The means of data/README's files: sums over requests; ServeGen's weighted by the clients' rates.
    for (const Mean m :
         {Mean{"azure-conv-2023", 1154.697, 211.126}, Mean{"mooncake-conversation", 12035.06, 342.619},
          Mean{"servegen-reason", 1268.25, 1527.42}, Mean{"arxiv-summarization", 2588.078, 291.430}}) {
        const WorkloadPreset* preset = find_preset(m.name);
        REQUIRE(preset != nullptr);
        for (const auto& tokens : {preset->prompt, preset->output}) {
            CHECK(tokens.size() == preset_probabilities().size());
            CHECK(std::is_sorted(tokens.begin(), tokens.end()));
        }
        CHECK(table_mean(points_table(preset_points(preset->prompt))) == Approx(m.prompt).epsilon(0.01));
        CHECK(table_mean(points_table(preset_points(preset->output))) == Approx(m.output).epsilon(0.01));
        SyntheticSpec spec;
        spec.preset = m.name;
        spec.rate_rps = 100;
        spec.requests = 50'000;
        const TraceStats stats = trace_stats(drawn(spec));
        CHECK(stats.prompt.mean == Approx(m.prompt).epsilon(0.025));
        CHECK(stats.output.mean == Approx(m.output).epsilon(0.025));
        CHECK(stats.gap_s.cv() == Approx(preset->cv).epsilon(0.03));
    }
    CHECK(find_preset("nothing") == nullptr);
    CHECK(std::is_sorted(preset_probabilities().begin(), preset_probabilities().end()));
}

TEST_CASE("renewal: the shape of a coefficient of variation gives it back") {
    CHECK(shape_of_cv(GapFamily::gamma, 2) == 0.25);
    CHECK(shape_of_cv(GapFamily::weibull, 1) == Approx(1));
    CHECK(shape_of_cv(GapFamily::weibull, 0.522723) == Approx(2).epsilon(1e-5));  // sqrt(4/pi - 1)
    CHECK(shape_of_cv(GapFamily::weibull, 2.2360680) ==
          Approx(0.5).epsilon(1e-6));  // sqrt(G(5)/G(3)^2 - 1) = sqrt 5
}

TEST_CASE("trace stats: hand-worked counts, windows, ties and quantiles") {
    // Arrivals 10, 10, 10.5, 11.5 and 71 s: windows of 1 s from 10: 3, 1, 59 empty, then 71 in window 61: 62
    // windows.
    std::istringstream in(
        "arrival_s,prompt_tokens,output_tokens\n10,1,10\n10,2,20\n10.5,3,30\n11.5,4,40\n71,5,50\n");
    const Result<Trace> trace = read_trace(in, "t");
    REQUIRE(trace.ok());
    const TraceStats stats = trace_stats(*trace);
    CHECK(stats.requests == 5);
    CHECK(stats.prompt_tokens == 15);
    CHECK(stats.output_tokens == 150);
    CHECK(stats.span_s == 61);
    CHECK(stats.first_arrival_s == 10);
    CHECK(stats.covered_s == 71);
    CHECK(stats.ties == 1);
    CHECK(stats.window_1s.peak == 3);
    // counts 3, 1, 1 in 62 windows: sum 5, squares 11: variance 11/62 - (5/62)^2, over the mean 5/62: 11/5 -
    // 5/62.
    CHECK(stats.window_1s.index_of_dispersion == Approx(2.2 - 5.0 / 62));
    CHECK(stats.window_60s.peak == 4);
    CHECK(stats.rate_per_5min_rps == std::vector<double>{5.0 / 300});
    CHECK(stats.prompt.mean == 3);
    CHECK(stats.prompt.stddev == Approx(std::sqrt(2.0)));
    CHECK(stats.prompt.quantiles[7] == Approx(4.6));  // 90% of rank 0..4 = 3.6
    CHECK(stats.prompt_output_correlation == Approx(1));
    CHECK(stats.prompt_histogram[0] == 1);
    CHECK(stats.prompt_histogram[1] == 2);
    const nlohmann::ordered_json json = to_json(stats);
    CHECK(json.dump().rfind("{\"requests\":5,\"prompt_tokens\":15,\"output_tokens\":150,\"span_s\":61.0,",
                            0) == 0);
    CHECK(json["interarrival_s"]["p50"] == 0.75);
    CHECK_THAT(to_table(stats),
               Contains("5 requests over 61 s") && Contains("prompt_tokens") && Contains("█"));
    std::istringstream one("arrival_s,prompt_tokens,output_tokens\n1,1,1\n");
    const Result<Trace> lonely = read_trace(one, "t");
    REQUIRE(lonely.ok());
    const nlohmann::ordered_json alone = to_json(trace_stats(*lonely));
    CHECK(alone["interarrival_s"].is_null());
    CHECK(alone["request_rate_rps"].is_null());
    CHECK_FALSE(to_table(trace_stats(*lonely)).empty());
}

TEST_CASE("trace stats: agree with published figures of the Azure and Mooncake traces") {
    // Figures of request_summaries_dev.json, computed by others.
    if (const auto file = shared_lengths("requests/AzureLLMInferenceTrace_conv.csv")) {
        const Result<Trace> trace = read_trace(*file);
        REQUIRE(trace.ok());
        const TraceStats stats = trace_stats(*trace);
        CHECK(stats.window_1s.index_of_dispersion == Approx(1.386).margin(0.0006));
        CHECK(stats.window_10s.index_of_dispersion == Approx(4.003).margin(0.0006));
        CHECK(stats.window_60s.index_of_dispersion == Approx(20.553).margin(0.0006));
        CHECK(stats.window_1s.peak == 16);
        CHECK(stats.window_60s.peak == 507);
        CHECK(stats.gap_s.cv() == Approx(1.0942).margin(0.0001));
        CHECK(stats.prompt.quantiles[10] == Approx(6179.15).margin(0.006));
        CHECK(stats.prompt_output_correlation == Approx(-0.1124).margin(0.0001));
        REQUIRE(stats.rate_per_5min_rps.size() == 12);
        CHECK(stats.rate_per_5min_rps[11] == Approx(2.56));
    }
    if (const auto file = shared_lengths("requests/mooncake_conversation_trace.jsonl")) {
        const Result<Trace> trace = read_trace(*file);
        REQUIRE(trace.ok());
        const TraceStats stats = trace_stats(*trace);
        CHECK(stats.span_s == Approx(3536.999));
        CHECK(stats.ties == 10'851);
        CHECK(stats.distinct_prefix_hashes == 182'790);
        CHECK(stats.prefix_hashes == 288'500);
    }
}

TEST_CASE("trace convert: plain csv reads back as the same requests, compressed or not") {
    const std::string text =
        "# start: 2024-02-29T10:00:00.5Z\n# span_s: 100\n# tokens_per_hash: 16\n"
        "arrival_s,prompt_tokens,output_tokens,model,tenant,priority,max_tokens,prefix_hashes\n"
        "0.00000000001,100,5,llama,\"a, \"\"b\"\"\",-3,7,1 18446744073709551615\n"
        "0.1,200,6,,b c,0,0,\n99.12345678901,300,7,qwen,#x,5,9,2\n";
    std::istringstream in(text);
    const Result<Trace> trace = read_trace(in, "t");
    REQUIRE(trace.ok());
    for (const char* encoding : {"plain", "gzip", "zstd"}) {
        std::ostringstream out;
        REQUIRE(write_trace(out, *trace, encoding));
        if (std::string(encoding) == "plain") CHECK(out.str().substr(0, 40) == text.substr(0, 40));
        std::istringstream written(out.str());
        const Result<Trace> again = read_trace(written, "t");
        REQUIRE(again.ok());
        CHECK(same_requests(*trace, *again));
        CHECK(again->span == trace->span);
        CHECK(again->start == trace->start);
        CHECK(again->tokens_per_hash == 16);
        CHECK(again->tenants == trace->tenants);
        CHECK(again->models == trace->models);
        CHECK(again->prefix_hashes == trace->prefix_hashes);
    }
}

TEST_CASE("trace convert: clip, thin and scale change what they say and nothing else") {
    SyntheticSpec spec = base_spec(100, 1000);
    Trace trace = drawn(spec);
    trace.start = WallClock{1000, 900'000'000};
    TraceEdit edit;
    edit.from = Tick{20'050'000'000'000};  // 200.5 s
    edit.to = seconds(700);
    Result<Trace> clipped = edit_trace(trace, edit);
    REQUIRE(clipped.ok());
    CHECK(clipped->requests.size() == between(trace, 200.5, 700));
    CHECK(clipped->span == Tick{49'950'000'000'000});
    CHECK(*clipped->start == WallClock{1201, 400'000'000});
    edit = {};
    edit.rate_scale = 4;
    const Result<Trace> faster = edit_trace(trace, edit);
    REQUIRE(faster.ok());
    CHECK(faster->requests.size() == trace.requests.size());
    CHECK(faster->span == seconds(250));
    CHECK(std::abs(faster->requests[77].arrival.count - trace.requests[77].arrival.count / 4) <= 1);
    edit = {};
    edit.keep = 0.25;
    const Result<Trace> thinned = edit_trace(trace, edit);
    REQUIRE(thinned.ok());
    CHECK(static_cast<double>(thinned->requests.size()) == Approx(25'000).epsilon(0.03));
    CHECK(thinned->span == trace.span);
    edit.keep = 0;
    edit.rate_scale = -1;
    CHECK(edit_trace(trace, edit).problems().size() == 2);
    edit = {};
    edit.from = seconds(2000);
    CHECK_FALSE(edit_trace(trace, edit).ok());
}

TEST_CASE("trace commands: convert and synth write beside and rename; stats print json or a table") {
    const fs::path folder = fs::path(WINDTUNNEL_BINARY_DIR) / "trace_commands_test";
    fs::remove_all(folder);
    fs::create_directories(folder);
    SyntheticSpec spec = base_spec(10, 100);
    const Result<std::string> told = run_trace_synth(spec, 1, 0, folder / "a.csv.gz");
    REQUIRE(told.ok());
    CHECK_THAT(*told, Contains("requests over 100 s, from synthetic"));
    REQUIRE(run_trace_convert(folder / "a.csv.gz", folder / "b.csv.zst", {}, {}).ok());
    REQUIRE(run_trace_convert(folder / "b.csv.zst", folder / "c.csv", {}, {}).ok());
    const Result<Trace> a = read_trace(folder / "a.csv.gz"), c = read_trace(folder / "c.csv");
    REQUIRE((a.ok() && c.ok()));
    CHECK(same_requests(*a, *c));
    CHECK(a->span == c->span);
    CHECK(same_requests(*a, drawn(spec)));
    for (const auto& entry : fs::directory_iterator(folder)) CHECK(entry.path().extension() != ".partial");
    const Result<std::string> json = run_trace_stats(folder / "c.csv", {}, TraceOutput::json);
    REQUIRE(json.ok());
    CHECK(nlohmann::json::parse(*json)["requests"] == a->requests.size());
    CHECK(run_trace_stats(folder / "c.csv", {}, TraceOutput::table).ok());
    CHECK_FALSE(run_trace_stats(folder / "d.csv", {}, TraceOutput::table).ok());
    CHECK_FALSE(run_trace_convert(folder / "c.csv", folder / "no/such/folder.csv", {}, {}).ok());
}

TEST_CASE("synthetic: so large a share of the prompts begin with one of the shared prefixes, evenly") {
    SyntheticSpec spec = base_spec(10, 1000);
    spec.shared_prefix = SharedPrefixSpec{200, 4, 0.25};
    const Trace trace = drawn(spec);
    std::size_t sharing = 0, of_group[4] = {};
    for (const Request& r : trace.requests) {
        if (r.prefix_count == 0) {
            CHECK(r.prompt_tokens == 100);
            continue;
        }
        CHECK(r.prompt_tokens == 201);
        CHECK(r.prefix_count == 12);  // 12 x 16 of the 200 tokens
        ++sharing;
        ++of_group[trace.prefix_nodes[r.prefix - 1] / 12];
    }
    // Binomial(10,000, 1/4): 2,500 +- 4 standard deviations of 43; a group's 625 +- 4 of 24.
    CHECK(std::abs(static_cast<double>(sharing) - 2500) < 180);
    for (const std::size_t n : of_group) CHECK(std::abs(static_cast<double>(n) - 625) < 100);
    // The same seed gives the same arrivals and lengths with and without.
    const Trace without = drawn(base_spec(10, 1000));
    REQUIRE(without.requests.size() == trace.requests.size());
    CHECK(without.requests.back().arrival == trace.requests.back().arrival);
}
