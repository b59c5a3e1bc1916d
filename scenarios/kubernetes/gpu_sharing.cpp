#include "scenarios/kubernetes/gpu_sharing.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace windtunnel {
namespace {

/// Where instances of a profile may start (NVIDIA's MIG guide: the same on A100, H100, H200 and B200), by its slices.
std::vector<int> starts_of(const MigProfile& profile) {
    switch (profile.memory_slices) {
        case 1: return {0, 1, 2, 3, 4, 5, 6};
        case 2: return profile.compute_slices == 2 ? std::vector<int>{0, 2, 4} : std::vector<int>{0, 2, 4, 6};
        case 4: return profile.compute_slices == 3 ? std::vector<int>{0, 4} : std::vector<int>{0};
        default: return {0};
    }
}

/// Depth first over the instances, largest first: at most 7 of them with 7 places each.
bool place(const std::vector<const MigProfile*>& order, std::size_t next, unsigned taken, std::vector<MigPlacement>& out) {
    if (next == order.size()) return true;
    const MigProfile& profile = *order[next];
    for (const int start : starts_of(profile)) {
        const unsigned mask = ((1u << profile.memory_slices) - 1) << start;
        if ((taken & mask) != 0) continue;
        out.push_back({profile.name, start, profile.memory_slices});
        if (place(order, next + 1, taken | mask, out)) return true;
        out.pop_back();
    }
    return false;
}

/// "1g.10gb+me" is "mig-1g.10gb.me" as a resource (k8s-device-plugin README, 2025).
std::string mig_resource(std::string profile) {
    const std::size_t plus = profile.find('+');
    if (plus != std::string::npos) profile[plus] = '.';
    return "nvidia.com/mig-" + profile;
}

/// The name under which a vendor's device plugin advertises whole cards.
std::string whole_resource(const Gpu& gpu) { return gpu.vendor == "amd" ? "amd.com/gpu" : "nvidia.com/gpu"; }

/// An entry with a device filter names cards by PCI ids; the profiles say which model they are of.
bool is_about(const MigLayoutEntry& entry, const Gpu& gpu) {
    if (entry.device_filter.empty()) return true;
    return std::all_of(entry.instances.begin(), entry.instances.end(), [&](const auto& instance) {
        return std::any_of(gpu.mig.begin(), gpu.mig.end(), [&](const MigProfile& p) { return p.name == instance.first; });
    });
}

}  // namespace

DevicePluginConfig decode_device_plugin_config(Decoder& config) {
    DevicePluginConfig out;
    if (const Node* version = config.take("version"); version && version->text != "v1") config.error("version", "found " + describe(*version) + ", allowed: v1");
    Decoder flags = config.child("flags");
    out.mig_strategy = flags.choice<MigStrategy>("migStrategy", {{"none", MigStrategy::none}, {"single", MigStrategy::single}, {"mixed", MigStrategy::mixed}}).value_or(MigStrategy::none);
    flags.quiet({"failOnInitError", "nvidiaDriverRoot", "nvidiaDevRoot", "gdsEnabled", "mofedEnabled", "gdrcopyEnabled", "plugin", "gfd", "useNodeFeatureAPI", "deviceDiscoveryStrategy"});
    flags.finish();
    Decoder sharing = config.child("sharing");
    if (sharing.has("timeSlicing") && sharing.has("mps")) sharing.error("mps", "stands beside timeSlicing, allowed: one of them");
    out.mps = sharing.has("mps");
    for (const char* key : {"timeSlicing", "mps"}) {
        if (!sharing.has(key)) {
            sharing.quiet({key});
            continue;
        }
        Decoder kind = sharing.child(key);
        out.rename_by_default = kind.boolean("renameByDefault").value_or(false);
        out.fail_requests_greater_than_one = kind.boolean("failRequestsGreaterThanOne").value_or(out.mps);
        if (!kind.has("resources")) kind.missing("resources", "a list of {name, replicas}");
        for (Decoder& item : kind.children("resources")) {
            SharedResource resource;
            resource.name = item.required_text("name");
            if (!resource.name.empty() && resource.name.find('/') == std::string::npos) resource.name = "nvidia.com/" + resource.name;
            if (out.mps && resource.name.starts_with("nvidia.com/mig-")) item.error("name", "found " + resource.name + ", allowed with mps: whole GPUs");
            resource.rename = item.text("rename").value_or("");
            if (!resource.rename.empty() && resource.rename.find('/') == std::string::npos) resource.rename = "nvidia.com/" + resource.rename;
            if (!item.has("replicas")) item.missing("replicas", "how many pods share one GPU, from 2");
            resource.replicas = item.int32("replicas", 2).value_or(2);
            if (item.take("devices") && item.node().find("devices")->text != "all") item.error("devices", "would change the result and is not simulated: sharing of some GPUs of a node, allowed: all");
            item.finish();
            out.resources.push_back(std::move(resource));
        }
        kind.finish();
    }
    sharing.finish();
    config.quiet({"resources", "imex"});
    config.finish();
    return out;
}

std::map<std::string, std::vector<MigLayoutEntry>> decode_mig_parted_config(Decoder& config) {
    std::map<std::string, std::vector<MigLayoutEntry>> out;
    if (const Node* version = config.take("version"); version && version->text != "v1") config.error("version", "found " + describe(*version) + ", allowed: v1");
    Decoder layouts = config.child("mig-configs");
    for (const Node& member : layouts.node().children) {
        std::vector<MigLayoutEntry>& layout = out[member.key];
        for (Decoder& item : layouts.children(member.key)) {
            MigLayoutEntry entry;
            entry.where = item.where();
            entry.path = item.path();
            entry.device_filter = item.text_or_texts("device-filter");
            if (const Node* devices = item.take("devices"); devices && devices->is_list()) {
                entry.all_devices = false;
                for (const Node& index : devices->children) {
                    if (index.kind == Node::Kind::integer && index.integer >= 0 && index.integer < 64) entry.devices.push_back(static_cast<std::int32_t>(index.integer));
                    else item.error("devices", "found " + describe(index) + ", allowed: all, or a list of GPU indices");
                }
            } else if (!devices || devices->text != "all") {
                item.error("devices", "found " + (devices ? describe(*devices) : std::string("nothing")) + ", allowed: all, or a list of GPU indices");
            }
            if (!item.has("mig-enabled")) item.missing("mig-enabled", "true or false");
            entry.mig_enabled = item.boolean("mig-enabled").value_or(false);
            Decoder instances = item.child("mig-devices");
            for (const Node& profile : instances.node().children)
                if (const auto count = instances.int32(profile.key, 0, 8)) entry.instances[profile.key] = *count;
            if (!entry.mig_enabled && !entry.instances.empty()) item.error("mig-devices", "has instances although mig-enabled is false, allowed: {}");
            item.finish();
            layout.push_back(std::move(entry));
        }
    }
    config.finish();
    return out;
}

Result<std::vector<MigPlacement>> place_mig_instances(const Gpu& gpu, const std::map<std::string, std::int32_t>& instances) {
    std::vector<std::string> names;
    for (const MigProfile& profile : gpu.mig) names.push_back(profile.name);
    if (names.empty()) return Problem{{}, "", fmt::format("found MIG instances on {}, which cannot be sliced, allowed: whole GPUs", gpu.name)};
    std::vector<const MigProfile*> order;
    std::string wanted;
    int media = 0;
    for (const auto& [name, count] : instances) {
        const auto profile = std::find_if(gpu.mig.begin(), gpu.mig.end(), [&](const MigProfile& p) { return p.name == name; });
        if (profile == gpu.mig.end())
            return Problem{{}, "", fmt::format("found the MIG profile {}, allowed on {}: {}{}", name, gpu.name, join(names), did_you_mean(name, names))};
        if (count > profile->per_gpu) return Problem{{}, "", fmt::format("found {} times {}, allowed on one {}: at most {}", count, name, gpu.name, profile->per_gpu)};
        for (std::int32_t i = 0; i < count; ++i) order.push_back(&*profile);
        media += name.ends_with("+me") ? count : 0;
        wanted += (wanted.empty() ? "" : " + ") + fmt::format("{} x {}", count, name);
    }
    if (media > 1) return Problem{{}, "", fmt::format("found {}, allowed: one instance with media extensions (+me)", wanted)};
    std::stable_sort(order.begin(), order.end(), [](const MigProfile* a, const MigProfile* b) { return a->memory_slices > b->memory_slices; });
    std::vector<MigPlacement> out;
    if (!place(order, 0, 0, out))
        return Problem{{}, "", fmt::format("found {}, which does not fit on one {}: a GPU has 8 memory slices and instances stand at fixed places on them", wanted, gpu.name)};
    return out;
}

Result<std::vector<DeviceUnits>> node_devices(const Gpu& gpu, std::int32_t gpu_count, const DevicePluginConfig& plugin,
                                              const std::vector<MigLayoutEntry>& layout) {
    const std::string whole_name = whole_resource(gpu);
    std::int32_t whole = 0;
    std::map<std::string, std::int32_t> slices;
    for (std::int32_t i = 0; i < gpu_count; ++i) {
        const MigLayoutEntry* entry = nullptr;
        for (const MigLayoutEntry& e : layout)
            if (e.mig_enabled && (e.all_devices || std::find(e.devices.begin(), e.devices.end(), i) != e.devices.end()) && is_about(e, gpu)) entry = &e;
        if (!entry || entry->instances.empty() || plugin.mig_strategy == MigStrategy::none) {
            ++whole;
            continue;
        }
        const auto placed = place_mig_instances(gpu, entry->instances);
        if (!placed) {
            Problem p = placed.problems().front();
            p.where = entry->where;
            p.path = entry->path.empty() ? "" : entry->path + ".mig-devices";
            return p;
        }
        for (const MigPlacement& p : *placed) ++slices[p.profile];
    }
    const bool single = plugin.mig_strategy == MigStrategy::single && !slices.empty();
    if (single && (slices.size() > 1 || whole > 0))
        return Problem{layout.front().where, layout.front().path, "gives a node several kinds of GPUs under migStrategy single, allowed: the same profile on all GPUs, or migStrategy mixed"};
    std::vector<DeviceUnits> out;
    if (whole > 0) out.push_back({whole_name, gpu.name, whole, 1, false, 1, 1});
    for (const auto& [profile, count] : slices) {
        const auto known = std::find_if(gpu.mig.begin(), gpu.mig.end(), [&](const MigProfile& m) { return m.name == profile; });
        out.push_back({single ? whole_name : mig_resource(profile), gpu.name + "/" + profile, count, 1, false, known->compute_slices, 7});
    }
    for (const SharedResource& shared : plugin.resources)
        for (DeviceUnits& units : out) {
            if (units.resource != shared.name || units.clients > 1) continue;
            units.clients = shared.replicas;
            units.den *= shared.replicas;
            units.takes_turns = !plugin.mps;
            if (plugin.mps) units.device += fmt::format("/mps-{}", shared.replicas);
            units.resource = !shared.rename.empty() ? shared.rename : plugin.rename_by_default ? shared.name + ".shared" : shared.name;
        }
    return out;
}

Result<std::map<std::string, std::int64_t>> advertised_resources(const Gpu& gpu, std::int32_t gpu_count, const DevicePluginConfig& plugin,
                                                                 const std::vector<MigLayoutEntry>& layout) {
    const auto devices = node_devices(gpu, gpu_count, plugin, layout);
    if (!devices) return devices.problems();
    std::map<std::string, std::int64_t> out;
    for (const DeviceUnits& d : *devices) out[d.resource] += d.units();
    return out;
}

}  // namespace windtunnel
