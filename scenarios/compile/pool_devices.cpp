// What the nodes of a pool advertise: from the pool itself, its labels and the configuration among the manifests.
#include <fmt/format.h>
#include <algorithm>

#include "scenarios/kubernetes/config_map.hpp"
#include "scenarios/kubernetes/gpu_sharing.hpp"
#include "scenarios/node_labels.hpp"

namespace windtunnel {
namespace {

const char* const partition_label = "cloud.google.com/gke-gpu-partition-size";
const char* const strategy_label = "cloud.google.com/gke-gpu-sharing-strategy";
const char* const clients_label = "cloud.google.com/gke-max-shared-clients-per-gpu";

std::optional<MigStrategy> strategy_named(const std::string& name) {
    if (name == "none") return MigStrategy::none;
    if (name == "single") return MigStrategy::single;
    if (name == "mixed") return MigStrategy::mixed;
    return std::nullopt;
}

/// A division that the labels of GKE's nodes, or those of GPU feature discovery, state.
GpuDivision division_in(const Labels& labels) {
    GpuDivision out;
    out.mig_profile = label_value(labels, partition_label);
    const std::string strategy = label_value(labels, strategy_label), sharing = label_value(labels, "nvidia.com/gpu.sharing-strategy");
    const auto clients = to_integer(label_value(labels, strategy.empty() ? "nvidia.com/gpu.replicas" : clients_label));
    if (clients && *clients > 1 && *clients <= 64) out.clients = static_cast<std::int32_t>(*clients);
    out.mps = strategy == "mps" || sharing == "mps";
    return out;
}

/// Every GPU of the node cut into as many of one profile as it gives.
std::vector<MigLayoutEntry> uniform(const std::string& profile, std::int32_t count) {
    MigLayoutEntry entry;
    entry.mig_enabled = true;
    entry.instances[profile] = count;
    return {entry};
}

/// "1g" is the smallest profile of that size (AKS: MIG1g).
const MigProfile* profile_named(const Gpu& gpu, const std::string& name) {
    const bool size_only = name.find('.') == std::string::npos;
    for (const MigProfile& p : gpu.mig)
        if (size_only ? p.name.starts_with(name + ".") && p.name.find('+') == std::string::npos : p.name == name) return &p;
    return nullptr;
}

Problem no_profile(const Gpu& gpu, const std::string& name) {
    std::vector<std::string> names;
    for (const MigProfile& p : gpu.mig) names.push_back(p.name);
    return Problem{{}, "", names.empty() ? fmt::format("found the MIG profile {} on {}, which cannot be sliced, allowed: whole GPUs", name, gpu.name)
                                         : fmt::format("found the MIG profile {}, allowed on {}: {}{}", name, gpu.name, join(names), did_you_mean(name, names))};
}

/// A layout of mig-parted by name: the manifests' own, or one of the default configuration that it brings (all-disabled,
/// all-PROFILE, and all-balanced: two 1g, a 2g and a 3g [mig-parted's default config, from general knowledge, not
/// re-read, 2026-11]).
Result<std::vector<MigLayoutEntry>> layout_named(const std::string& name, const Gpu& gpu, const GpuSharing& sharing) {
    if (const auto own = sharing.mig_layouts.find(name); own != sharing.mig_layouts.end()) return own->second;
    if (name == "all-disabled" || name == "all-enabled") return std::vector<MigLayoutEntry>{};
    if (name == "all-balanced" && !gpu.mig.empty()) {
        std::vector<MigLayoutEntry> out = uniform(profile_named(gpu, "1g")->name, 2);
        out[0].instances[profile_named(gpu, "2g")->name] = 1;
        out[0].instances[profile_named(gpu, "3g")->name] = 1;
        return out;
    }
    std::string profile = name.starts_with("all-") ? name.substr(4) : "";
    if (profile.ends_with(".me")) profile.replace(profile.size() - 3, 3, "+me");
    if (const MigProfile* known = profile_named(gpu, profile); known && !profile.empty()) return uniform(known->name, known->per_gpu);
    std::vector<std::string> names{"all-disabled", "all-balanced"};
    for (const auto& [own, layout] : sharing.mig_layouts) names.push_back(own);
    for (const MigProfile& p : gpu.mig) names.push_back("all-" + p.name);
    if (gpu.mig.empty()) return Problem{{}, "", fmt::format("found nvidia.com/mig.config: {} on nodes with {}, which cannot be sliced", name, gpu.name)};
    return Problem{{}, "", fmt::format("found nvidia.com/mig.config: {}, which is no layout, allowed on {}: {}{}", name, gpu.name, join(names), did_you_mean(name, names))};
}

Result<DevicePluginConfig> plugin_config(const Labels& labels, const GpuSharing& sharing) {
    const auto& known = sharing.plugin_configs;
    std::string name = label_value(labels, "nvidia.com/device-plugin.config");
    if (!name.empty() && !known.contains(name) && !known.empty()) {
        std::vector<std::string> names;
        for (const auto& [key, config] : known) names.push_back(key);
        return Problem{{}, "", fmt::format("found nvidia.com/device-plugin.config: {}, allowed: {}{}", name, join(names), did_you_mean(name, names))};
    }
    if (name.empty()) name = sharing.default_plugin_config;
    // The plugin's config manager falls back on the one named default, and on the only one.
    if (name.empty() && known.contains("default")) name = "default";
    if (name.empty() && known.size() == 1) name = known.begin()->first;
    const auto found = known.find(name);
    return found == known.end() ? DevicePluginConfig{} : found->second;
}

/// Suffixes of GPU feature discovery's product label, and counts.
void add_labels(const std::vector<DeviceUnits>& devices, MigStrategy strategy, Labels& labels) {
    std::int32_t clients = 1;
    bool mps = false, renamed = false;
    for (const DeviceUnits& d : devices) {
        clients = std::max(clients, d.clients);
        mps = mps || d.device.find("/mps-") != std::string::npos;
        renamed = renamed || (d.resource != "nvidia.com/gpu" && !d.resource.starts_with("nvidia.com/mig-"));
        if (d.resource.starts_with("nvidia.com/mig-")) labels.try_emplace(d.resource + ".count", std::to_string(d.devices));
    }
    std::string& product = labels["nvidia.com/gpu.product"];
    const bool plain = product.find("-MIG-") == std::string::npos && !product.ends_with("-SHARED");
    const std::size_t slash = devices.size() == 1 ? devices[0].device.find('/') : std::string::npos;
    const std::string part = slash == std::string::npos ? "" : devices[0].device.substr(slash + 1);
    if (plain && !product.empty() && strategy == MigStrategy::single && !part.empty() && !part.starts_with("mps-"))
        product += "-MIG-" + part.substr(0, part.find('/'));
    if (plain && !product.empty() && clients > 1 && !renamed) product += "-SHARED";
    if (product.empty()) labels.erase("nvidia.com/gpu.product");
    if (strategy != MigStrategy::none) labels.try_emplace("nvidia.com/mig.strategy", strategy == MigStrategy::single ? "single" : "mixed");
    if (clients == 1) return;
    labels.try_emplace("nvidia.com/gpu.replicas", std::to_string(clients));
    labels.try_emplace("nvidia.com/gpu.sharing-strategy", mps ? "mps" : "time-slicing");
}

}  // namespace

Result<std::vector<DeviceUnits>> pool_devices(const Gpu& gpu, std::int32_t gpu_count, const GpuDivision& own, const GpuSharing& sharing, Labels& labels) {
    if (gpu.vendor != "nvidia") {
        if (!own.whole()) return Problem{{}, "", fmt::format("found a division of {}, allowed: of NVIDIA's GPUs", gpu.name)};
        return node_devices(gpu, gpu_count, {}, {});
    }
    auto plugin = plugin_config(labels, sharing);
    if (!plugin) return plugin.problems();
    if (sharing.mig_strategy) plugin->mig_strategy = *sharing.mig_strategy;
    if (const auto strategy = strategy_named(label_value(labels, "nvidia.com/mig.strategy"))) plugin->mig_strategy = *strategy;
    std::vector<MigLayoutEntry> layout;
    std::string layout_name = label_value(labels, "nvidia.com/mig.config");
    if (layout_name.empty() && sharing.mig_strategy) layout_name = sharing.default_mig_layout;
    if (!layout_name.empty()) {
        auto named = layout_named(layout_name, gpu, sharing);
        if (!named) return named.problems();
        layout = std::move(*named);
        // The operator, whose manager reads that label, sets the plugin to single where nothing else is said.
        if (plugin->mig_strategy == MigStrategy::none && !sharing.mig_strategy) plugin->mig_strategy = MigStrategy::single;
    }
    const GpuDivision division = own.whole() ? division_in(labels) : own;
    if (!division.mig_profile.empty()) {
        const MigProfile* profile = profile_named(gpu, division.mig_profile);
        if (profile == nullptr) return no_profile(gpu, division.mig_profile);
        layout = uniform(profile->name, profile->per_gpu);
        const bool mixed = division.mixed || sharing.mig_strategy == MigStrategy::mixed;
        plugin->mig_strategy = mixed ? MigStrategy::mixed : MigStrategy::single;
    }
    const bool shared_already = !plugin->resources.empty();
    if (division.clients > 1 && (!shared_already || !own.whole())) {
        std::string name = "nvidia.com/gpu";
        if (plugin->mig_strategy == MigStrategy::mixed && !layout.empty()) name = "nvidia.com/mig-" + layout[0].instances.begin()->first;
        plugin->mps = division.mps;
        plugin->resources = {{name, "", division.clients}};
    }
    auto devices = node_devices(gpu, gpu_count, *plugin, layout);
    if (devices) add_labels(*devices, layout.empty() ? MigStrategy::none : plugin->mig_strategy, labels);
    return devices;
}

void decode_gpu_config(const Node& config_map, const std::string& file, GpuSharing& out, Findings& findings) {
    for (const Node* text : texts_with(config_map, {"mig-configs", "mig-enabled"})) {
        const auto root = map_in_text(*text, file, "mig-parted's layouts", findings);
        if (!root) continue;
        Decoder config(*root, "data." + text->key, file, findings);
        for (auto& [name, layout] : decode_mig_parted_config(config)) out.mig_layouts[name] = std::move(layout);
    }
    for (const char* mark : {"timeSlicing", "mps:", "migStrategy"})
        for (const Node* text : texts_with(config_map, {mark, "version"})) {
            if (out.plugin_configs.contains(text->key)) continue;
            const auto root = map_in_text(*text, file, "the device plugin's configuration", findings);
            if (!root || (!root->find("sharing") && !root->find("flags"))) continue;
            Decoder config(*root, "data." + text->key, file, findings);
            out.plugin_configs[text->key] = decode_device_plugin_config(config);
        }
}

void decode_cluster_policy(Decoder& object, GpuSharing& out) {
    Decoder spec = object.child("spec");
    Decoder mig = spec.child("mig");
    // The operator's own default is single.
    out.mig_strategy = mig.choice<MigStrategy>("strategy", {{"none", MigStrategy::none}, {"single", MigStrategy::single}, {"mixed", MigStrategy::mixed}}).value_or(MigStrategy::single);
    mig.finish();
    Decoder plugin = spec.child("devicePlugin");
    out.default_plugin_config = plugin.node().text_at({"config", "default"});
    Decoder manager = spec.child("migManager");
    out.default_mig_layout = manager.node().text_at({"config", "default"});
}

void decode_device_plugin_container(const Container& container, GpuSharing& out) {
    if (container.image.find("k8s-device-plugin") == std::string::npos) return;
    for (const EnvironmentVariable& v : container.environment) {
        if (v.name == "MIG_STRATEGY" && strategy_named(v.value)) out.mig_strategy = strategy_named(v.value);
        if (v.name == "DEFAULT_CONFIG" && !v.value.empty()) out.default_plugin_config = v.value;
    }
    std::vector<std::string> words = container.command;
    words.insert(words.end(), container.args.begin(), container.args.end());
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::size_t equals = words[i].find('=');
        if (words[i].substr(0, equals) != "--mig-strategy") continue;
        const std::string value = equals != std::string::npos ? words[i].substr(equals + 1) : i + 1 < words.size() ? words[i + 1] : "";
        if (strategy_named(value)) out.mig_strategy = strategy_named(value);
    }
}

GpuDivision decode_gpu_division(Decoder& map) {
    GpuDivision out;
    out.mig_profile = map.text("mig").value_or("");
    out.mixed = map.choice<bool>("mig_strategy", {{"single", false}, {"mixed", true}}).value_or(false);
    if (map.has("time_slicing") && map.has("mps")) map.error("mps", "stands beside time_slicing, allowed: one of them");
    out.mps = map.has("mps");
    const auto turns = map.int32("time_slicing", 2, 64), parts = map.int32("mps", 2, 64);
    out.clients = turns.value_or(parts.value_or(1));
    if (out.mps && !out.mig_profile.empty()) map.error("mps", "stands beside mig, allowed with mps: whole GPUs");
    if (map.has("mig_strategy") && out.mig_profile.empty()) map.error("mig_strategy", "stands without mig, allowed: with it");
    return out;
}

}  // namespace windtunnel
