#pragma once
#include "policies/promql_compiler.hpp"
#include "policies/promql_eval.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// A sample store and the queries over it. Queries are compiled first, then samples are put, then values
/// read. Without marks every query looks at every series.
class Bench {
public:
    explicit Bench(MetricCatalog catalog, PromqlOptions options = {}, bool with_marks = true)
        : compiler(std::move(catalog), std::move(options)), keeps_marks(with_marks) {}

    std::size_t add(const std::string& query) {
        auto program = compiler.compile(query);
        INFO(query);
        INFO((program.ok() ? std::string() : to_string(program.problems()[0])));
        REQUIRE(program.ok());
        programs.push_back(std::move(*program));
        return programs.size() - 1;
    }

    void open() {
        layout = compiler.layout();
        series.assign(static_cast<std::size_t>(layout.series_count), {});
        samples.assign(static_cast<std::size_t>(layout.sample_count), {});
        store = {layout.streams.data(), series.data(), samples.data(),
                 static_cast<std::int32_t>(layout.streams.size()), epoch_ms};
        if (!keeps_marks) return;
        activity.assign(layout.streams.size(), {});
        marks.assign(static_cast<std::size_t>(marks_needed(layout.series_count, store.stream_count)), {});
        begins.assign(series.size(), {});
        store.activity = activity.data();
        store.marks = marks.data();
        store.begins = begins.data();
    }

    /// One scraped value; nothing when no query looks at the stream.
    void put(std::int32_t family, std::int32_t workload, std::int32_t extra, std::int32_t slot, Tick at,
             double value) {
        for (std::size_t s = 0; s < layout.streams.size(); ++s) {
            const StreamPlan& plan = layout.streams[s];
            if (plan.family == family && plan.workload == workload && plan.extra == extra)
                REQUIRE(try_append(store, static_cast<std::int32_t>(s), slot, at, value));
        }
    }

    void stale(std::int32_t family, std::int32_t workload, std::int32_t slot, Tick at) {
        for (std::size_t s = 0; s < layout.streams.size(); ++s)
            if (layout.streams[s].family == family && layout.streams[s].workload == workload)
                mark_stale(store, static_cast<std::int32_t>(s), slot, at);
    }

    /// A pod leaves: all its series end.
    void leave(std::int32_t workload, std::int32_t slot, Tick at) {
        for (std::size_t s = 0; s < layout.streams.size(); ++s)
            if (layout.streams[s].workload == workload && layout.streams[s].first_pod >= 0)
                end_series(store, static_cast<std::int32_t>(s), slot, at);
    }

    PromqlResult run(std::size_t program, Tick now) {
        const PromqlProgramView view = programs[program].view();
        elements.assign(static_cast<std::size_t>(view.workspace.elements), {});
        points.assign(static_cast<std::size_t>(view.workspace.points), {});
        workspace.elements = elements.data();
        workspace.points = points.data();
        workspace.element_capacity = view.workspace.elements;
        workspace.point_capacity = view.workspace.points;
        return evaluate(view, store, now, workspace);
    }

    /// The only value of a query's answer.
    double value(std::size_t program, Tick now) {
        const PromqlResult result = run(program, now);
        REQUIRE(result.status == PromqlStatus::ok);
        REQUIRE(result.count == 1);
        return result.is_scalar ? result.scalar : result.elements[0].value;
    }

    std::vector<double> values(std::size_t program, Tick now) {
        const PromqlResult result = run(program, now);
        REQUIRE(result.status == PromqlStatus::ok);
        std::vector<double> out;
        for (std::int32_t i = 0; i < result.count; ++i) out.push_back(result.elements[i].value);
        return out;
    }

    PromqlCompiler compiler;
    std::vector<PromqlProgram> programs;
    SampleLayout layout;
    std::vector<SeriesState> series;
    std::vector<SampleRun> samples;
    bool keeps_marks;
    std::vector<StreamActivity> activity;
    std::vector<SlotMarks> marks;
    std::vector<WindowBegin> begins;
    std::vector<PromqlElement> elements;
    std::vector<PromqlPoint> points;
    PromqlWorkspace workspace;
    SampleStore store;
    std::int64_t epoch_ms = 0;
};

inline constexpr std::int32_t waiting = 0, tokens = 1, bucket = 2, finished = 5, size_limit = 6;
inline constexpr std::int32_t chat = 0, code = 1;

/// Two workloads of two pods; a gauge, a counter, a histogram with bounds 0.1, 0.5, 1, a counter by reason,
/// and a gauge of the workload itself. Scraped every 15 s.
inline MetricCatalog small_catalog() {
    MetricCatalog catalog;
    catalog.add_workload(
        "chat", {{"namespace", "prod"}, {"deployment", "chat"}, {"model_name", "llama"}, {"tier", "gold"}},
        2);
    catalog.add_workload(
        "code", {{"namespace", "prod"}, {"deployment", "code"}, {"model_name", "qwen"}, {"tier", "gold"}}, 2);
    catalog.add("vllm:num_requests_waiting", MetricKind::gauge, MetricScope::per_pod);
    catalog.add("vllm:generation_tokens_total", MetricKind::counter, MetricScope::per_pod);
    catalog.add_histogram("vllm:time_to_first_token_seconds", {0.1, 0.5, 1});
    catalog.add("vllm:request_success_total", MetricKind::counter, MetricScope::per_pod,
                {{{"finished_reason", "stop"}}, {{"finished_reason", "length"}}});
    catalog.add("replica_limit", MetricKind::gauge, MetricScope::per_workload);
    return catalog;
}

}  // namespace windtunnel
