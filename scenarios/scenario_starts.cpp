// Decodes what a scenario says of starts: `cold_start` of a workload, `sources` of the cluster.
#include "scenarios/scenario_parts.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

const std::vector<std::pair<std::string, Kept>>& kept_names() {
    static const std::vector<std::pair<std::string, Kept>> names = {
        {"container", Kept::nowhere}, {"pod", Kept::pod}, {"node", Kept::node}, {"cluster", Kept::cluster}};
    return names;
}

void decode_stages(Decoder& workload, WorkloadSpec& out) {
    for (Decoder& item : workload.children("cold_start")) {
        ColdStartStageSpec stage;
        stage.name = item.required_text("name");
        stage.bytes = gigabytes(item.number("gb", 1e-9, 1e4));
        if (!item.has("median_s")) item.missing("median_s", stage.bytes > 0 ? "seconds that its bytes take alone" : "a number of seconds");
        stage.median = item.duration("median_s", 0, 86400).value_or(Tick{0});
        stage.sigma = item.number("sigma", 0, 5).value_or(0);
        if (item.has("after")) stage.after = item.texts("after");
        stage.from = item.text("from").value_or("");
        if (item.has("from") && stage.bytes == 0) item.error("from", "stands without gb, allowed: only where the stage moves bytes");
        stage.kept = item.choice<Kept>("kept", kept_names()).value_or(Kept::nowhere);
        if (item.has("again_s") && !item.has("kept")) item.error("again_s", "says how long the stage takes where its result is kept, allowed with: kept: node, cluster or pod");
        stage.again = item.duration("again_s", 0, 86400).value_or(Tick{0});
        const bool twice = std::any_of(out.cold_start.begin(), out.cold_start.end(), [&](const ColdStartStageSpec& s) { return s.name == stage.name; });
        if (twice) item.error("name", "found \"" + stage.name + "\" a second time, allowed: each stage once");
        item.finish();
        out.cold_start.push_back(std::move(stage));
    }
}

}  // namespace

void decode_cold_start(Decoder& workload, WorkloadSpec& out) {
    const Node* node = workload.node().find("cold_start");
    if (node == nullptr || node->is_list()) return decode_stages(workload, out);
    Decoder start = workload.child("cold_start");
    StartSpec& say = out.start;
    say.where = start.where();
    say.path = start.path();
    if (const auto gb = start.number("image_gb", 1e-6, 1000)) say.image_bytes = gigabytes(gb);
    say.image = start.choice<ImageDelivery>("image", {{"pulled", ImageDelivery::pulled}, {"streamed", ImageDelivery::streamed}, {"on_node", ImageDelivery::on_node}});
    say.registry = start.text("registry").value_or("");
    say.weights = start.choice<WeightStorage>("weights", {{"in_image", WeightStorage::in_image}, {"hub", WeightStorage::hub}, {"object_store", WeightStorage::object_store},
                                                          {"network_disk", WeightStorage::network_disk}, {"file_server", WeightStorage::file_server},
                                                          {"local_nvme", WeightStorage::local_nvme}, {"page_cache", WeightStorage::page_cache}});
    say.from = start.text("from").value_or("");
    say.kept = start.choice<Kept>("kept", kept_names());
    say.compile_cache = start.choice<Kept>("compile_cache", kept_names());
    say.concurrency = start.int32("concurrency", 1, 1024);
    say.host_factor = start.number("host_factor", 0.01, 100).value_or(1);
    say.dynamo_trace_s = start.number("dynamo_trace_s", 0.01, 3600);
    if (say.dynamo_trace_s && start.has("host_factor")) start.error("dynamo_trace_s", "stands beside host_factor, allowed: one of them");
    start.finish();
}

void decode_sources(Decoder& cluster, ClusterSpec& out) {
    for (Decoder& item : cluster.children("sources")) {
        SourceSpec source;
        source.where = item.where();
        source.path = item.path();
        source.name = item.required_text("name");
        if (!item.has("gb_per_s")) item.missing("gb_per_s", "10^9 bytes a second that it gives to all together");
        source.bytes_per_second = gigabytes(item.number("gb_per_s", 1e-6, 1000));
        const bool twice = std::any_of(out.sources.begin(), out.sources.end(), [&](const SourceSpec& s) { return s.name == source.name; });
        if (twice) item.error("name", "found \"" + source.name + "\" a second time, allowed: each name once");
        item.finish();
        out.sources.push_back(std::move(source));
    }
}

}  // namespace windtunnel
