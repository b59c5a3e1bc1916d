// What nodes advertise when their GPUs are divided: NVIDIA's device plugin and mig-parted.
#include "scenarios/kubernetes/gpu_sharing.hpp"
#include "tests/support/problem_lines.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

Gpu card(const char* name) {
    const auto found = get_gpu(name);
    REQUIRE(found);
    return found->gpu;
}

bool fits(const char* gpu, const std::map<std::string, std::int32_t>& instances) { return place_mig_instances(card(gpu), instances).ok(); }

struct SharingRead {
    DevicePluginConfig plugin;
    std::map<std::string, std::vector<MigLayoutEntry>> layouts;
    Findings findings;
};

SharingRead read_sharing(const std::string& plugin, const std::string& layouts = "version: v1\nmig-configs: {}\n") {
    SharingRead out;
    auto first = parse_documents(plugin, "plugin.yaml");
    auto second = parse_documents(layouts, "mig.yaml");
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    Decoder a((*first)[0].root, "", "plugin.yaml", out.findings);
    out.plugin = decode_device_plugin_config(a);
    Decoder b((*second)[0].root, "", "mig.yaml", out.findings);
    out.layouts = decode_mig_parted_config(b);
    return out;
}

const std::string layouts = R"yaml(version: v1
mig-configs:
  all-1g.10gb: [{devices: all, mig-enabled: true, mig-devices: {1g.10gb: 7}}]
  all-balanced: [{device-filter: ["0x233010DE"], devices: all, mig-enabled: true, mig-devices: {1g.10gb: 2, 2g.20gb: 1, 3g.40gb: 1}}]
  half:
  - {devices: [0], mig-enabled: false}
  - {devices: [1], mig-enabled: true, mig-devices: {3g.40gb: 2}}
  broken: [{devices: all, mig-enabled: true, mig-devices: {3g.40gb: 2, 1g.10gb: 1}}]
)yaml";

using Advertised = std::map<std::string, std::int64_t>;

}  // namespace

TEST_CASE("mig: the guide's layouts fit, and those whose memory slices overlap do not") {
    // The 14 combinations of NVIDIA's MIG guide without the double-memory profile (kubernetes.md 8.2).
    const char* h100 = "h100-sxm-80gb";
    const std::map<std::string, std::int32_t> good[] = {
        {{"1g.10gb", 7}}, {{"1g.10gb", 5}, {"2g.20gb", 1}}, {{"1g.10gb", 3}, {"2g.20gb", 2}}, {{"1g.10gb", 1}, {"2g.20gb", 3}},
        {{"1g.10gb", 4}, {"3g.40gb", 1}}, {{"1g.10gb", 2}, {"2g.20gb", 1}, {"3g.40gb", 1}}, {{"1g.10gb", 3}, {"3g.40gb", 1}},
        {{"2g.20gb", 2}, {"3g.40gb", 1}}, {{"3g.40gb", 2}}, {{"1g.10gb", 3}, {"4g.40gb", 1}}, {{"1g.10gb", 1}, {"2g.20gb", 1}, {"4g.40gb", 1}},
        {{"3g.40gb", 1}, {"4g.40gb", 1}}, {{"7g.80gb", 1}}, {{"1g.20gb", 4}}};
    for (const auto& layout : good) CHECK(fits(h100, layout));
    CHECK(!fits(h100, {{"3g.40gb", 2}, {"1g.10gb", 1}}));  // slices add up to 7, but memory is all taken
    CHECK(!fits(h100, {{"1g.10gb", 5}, {"3g.40gb", 1}}));
    CHECK(!fits(h100, {{"1g.10gb", 8}}));
    CHECK(!fits(h100, {{"4g.40gb", 2}}));
    CHECK(!fits("l4-24gb", {{"1g.10gb", 1}}));
    CHECK_THAT(place_mig_instances(card(h100), {{"1g.5gb", 1}}).problems()[0].message, Contains("allowed on h100-sxm-80gb: 1g.10gb"));
    // The 3g must move to slice 4 to leave a place for four of the 1g.
    const auto placed = place_mig_instances(card(h100), {{"1g.10gb", 4}, {"3g.40gb", 1}});
    REQUIRE(placed);
    CHECK(placed->front().start == 4);
}

TEST_CASE("mig: strategies decide under which names a node advertises its slices") {
    const Gpu h100 = card("h100-sxm-80gb");
    const SharingRead mixed = read_sharing("version: v1\nflags: {migStrategy: mixed}\n", layouts);
    REQUIRE(mixed.findings.errors.empty());
    const auto of = [&](const SharingRead& r, const char* name) { return advertised_resources(h100, 2, r.plugin, r.layouts.at(name)); };
    CHECK(*of(mixed, "all-1g.10gb") == Advertised{{"nvidia.com/mig-1g.10gb", 14}});
    CHECK(*of(mixed, "all-balanced") == Advertised{{"nvidia.com/mig-1g.10gb", 4}, {"nvidia.com/mig-2g.20gb", 2}, {"nvidia.com/mig-3g.40gb", 2}});
    CHECK(*of(mixed, "half") == Advertised{{"nvidia.com/gpu", 1}, {"nvidia.com/mig-3g.40gb", 2}});
    CHECK_THAT(to_string(of(mixed, "broken").problems()[0]), Contains("mig.yaml") && Contains("does not fit on one"));
    const SharingRead single = read_sharing("version: v1\nflags: {migStrategy: single}\n", layouts);
    CHECK(*of(single, "all-1g.10gb") == Advertised{{"nvidia.com/gpu", 14}});
    CHECK_THAT(of(single, "all-balanced").problems()[0].message, Contains("migStrategy mixed"));
    const SharingRead none = read_sharing("version: v1\n", layouts);
    CHECK(*of(none, "all-1g.10gb") == Advertised{{"nvidia.com/gpu", 2}});
}

TEST_CASE("gpu sharing: each GPU is advertised as many times as the configuration says") {
    const Gpu l4 = card("l4-24gb");
    const std::string slicing = "version: v1\nsharing:\n  timeSlicing:\n    renameByDefault: false\n    failRequestsGreaterThanOne: true\n    resources: [{name: nvidia.com/gpu, replicas: 4}]\n";
    const SharingRead r = read_sharing(slicing);
    REQUIRE(r.findings.errors.empty());
    CHECK(r.plugin.fail_requests_greater_than_one);
    CHECK(*advertised_resources(l4, 2, r.plugin, {}) == Advertised{{"nvidia.com/gpu", 8}});
    std::string renamed = slicing;
    renamed.replace(renamed.find("false"), 5, "true");
    CHECK(*advertised_resources(l4, 2, read_sharing(renamed).plugin, {}) == Advertised{{"nvidia.com/gpu.shared", 8}});
    const SharingRead mps = read_sharing("version: v1\nsharing: {mps: {resources: [{name: nvidia.com/gpu, replicas: 10}]}}\n");
    CHECK(mps.plugin.mps);
    CHECK(mps.plugin.fail_requests_greater_than_one);
    CHECK_THAT(lines(read_sharing("version: v1\nsharing: {mps: {resources: []}, timeSlicing: {resources: []}}\n").findings.errors), Contains("stands beside timeSlicing"));
    CHECK_THAT(lines(read_sharing("version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 1}]}}\n").findings.errors), Contains("replicas"));
    CHECK_THAT(lines(read_sharing("version: v1\nflags: {migStrategy: mixd}\n").findings.errors), Contains("did you mean mixed?"));
}

TEST_CASE("gpu sharing: what a pool's nodes advertise follows from its own words, its labels and the manifests") {
    const Gpu a100 = card("a100-sxm-40gb");
    const auto of = [&](const GpuDivision& own, Labels labels, const GpuSharing& sharing = {}) {
        const auto devices = pool_devices(a100, 2, own, sharing, labels);
        if (!devices) return to_string(devices.problems()[0]);
        std::string out;
        for (const DeviceUnits& d : *devices) out += std::to_string(d.units()) + " " + d.resource + " " + d.device + (d.takes_turns ? " in turns" : "") + "; ";
        return out + labels["nvidia.com/gpu.product"];
    };
    const Labels plain = {{"nvidia.com/gpu.product", "A100"}};
    const auto with = [&](const std::string& key, const std::string& value) {
        Labels labels = plain;
        labels[key] = value;
        return labels;
    };
    CHECK(of({}, plain) == "2 nvidia.com/gpu a100-sxm-40gb; A100");
    // mig-parted's own layouts; the operator's default strategy is single.
    CHECK(of({}, with("nvidia.com/mig.config", "all-1g.5gb")) == "14 nvidia.com/gpu a100-sxm-40gb/1g.5gb; A100-MIG-1g.5gb");
    GpuSharing mixed;
    mixed.mig_strategy = MigStrategy::mixed;
    CHECK(of({}, with("nvidia.com/mig.config", "all-balanced"), mixed) ==
          "4 nvidia.com/mig-1g.5gb a100-sxm-40gb/1g.5gb; 2 nvidia.com/mig-2g.10gb a100-sxm-40gb/2g.10gb; 2 nvidia.com/mig-3g.20gb a100-sxm-40gb/3g.20gb; A100");
    CHECK_THAT(of({}, with("nvidia.com/mig.config", "all-1g.6gb")), Contains("did you mean all-1g.5gb?"));
    // GKE's labels, AKS' profile, a pool's own words.
    CHECK(of({}, with("cloud.google.com/gke-gpu-partition-size", "2g.10gb")) == "6 nvidia.com/gpu a100-sxm-40gb/2g.10gb; A100-MIG-2g.10gb");
    Labels gke = with("cloud.google.com/gke-gpu-sharing-strategy", "time-sharing");
    gke["cloud.google.com/gke-max-shared-clients-per-gpu"] = "3";
    CHECK(of({}, gke) == "6 nvidia.com/gpu a100-sxm-40gb in turns; A100-SHARED");
    GpuDivision own;
    own.mig_profile = "3g";  // AKS: MIG3g
    CHECK(of(own, plain) == "4 nvidia.com/gpu a100-sxm-40gb/3g.20gb; A100-MIG-3g.20gb");
    own.clients = 2;
    CHECK(of(own, plain) == "8 nvidia.com/gpu a100-sxm-40gb/3g.20gb in turns; A100-MIG-3g.20gb-SHARED");
    CHECK(of({"", false, 4, true}, plain) == "8 nvidia.com/gpu a100-sxm-40gb/mps-4; A100-SHARED");
    // Among several configurations of the plugin a label chooses.
    GpuSharing configs;
    configs.plugin_configs["four"].resources = {{"nvidia.com/gpu", "", 4}};
    configs.plugin_configs["ten"].resources = {{"nvidia.com/gpu", "", 10}};
    configs.plugin_configs["ten"].rename_by_default = true;
    CHECK(of({}, plain, configs) == "2 nvidia.com/gpu a100-sxm-40gb; A100");
    CHECK(of({}, with("nvidia.com/device-plugin.config", "ten"), configs) == "20 nvidia.com/gpu.shared a100-sxm-40gb in turns; A100");
    CHECK_THAT(of({}, with("nvidia.com/device-plugin.config", "tn"), configs), Contains("did you mean ten?"));
    configs.default_plugin_config = "four";
    CHECK(of({}, plain, configs) == "8 nvidia.com/gpu a100-sxm-40gb in turns; A100-SHARED");
}
