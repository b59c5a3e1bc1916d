#include "models/gpu_catalog.hpp"

#include "models/embedded_model_data.hpp"
#include "models/nearest_name.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <map>

namespace windtunnel {
namespace {

using nlohmann::json;

struct GpuCatalog {
    std::vector<Gpu> gpus;
    std::map<std::string, std::size_t> by_name;  ///< folded names and aliases
};

double tera(const json& flops, const char* key) { return flops.value(key, 0.0) * 1e12; }

Gpu read_gpu(const json& entry) {
    Gpu gpu;
    gpu.name = entry.at("name");
    gpu.vendor = entry.at("vendor");
    gpu.architecture = entry.at("architecture");
    gpu.memory_bytes = entry.at("cuda_memory_bytes");
    gpu.bytes_per_second = entry.at("memory_gbytes_per_s").get<double>() * 1e9;
    const json& flops = entry.at("dense_tflops");
    gpu.fp16_flops = tera(flops, "fp16");
    gpu.bf16_flops = tera(flops, "bf16");
    gpu.fp8_flops = tera(flops, "fp8");
    gpu.fp4_flops = tera(flops, "fp4");
    gpu.int8_ops = tera(flops, "int8");
    gpu.multiprocessors = entry.at("multiprocessors");
    gpu.l2_mib = entry.at("l2_mib");
    gpu.pcie_generation = entry.at("pcie_generation");
    gpu.link_bytes_per_second = entry.at("link_gbytes_per_s").get<double>() * 1e9;
    gpu.source = entry.at("source");
    if (entry.contains("mig"))
        for (const json& row : entry.at("mig").at("profiles")) {
            MigProfile profile;
            profile.name = row.at("name");
            profile.memory_bytes =
                static_cast<std::int64_t>(row.at("memory_gib").get<double>() * (1LL << 30));
            profile.multiprocessors = row.at("multiprocessors");
            profile.memory_slices = row.at("memory_slices");
            profile.compute_slices = row.at("compute_slices");
            profile.per_gpu = row.at("per_gpu");
            gpu.mig.push_back(std::move(profile));
        }
    return gpu;
}

const GpuCatalog& gpu_catalog() {
    static const GpuCatalog the_catalog = [] {
        GpuCatalog c;
        const json file = json::parse(embedded_model_data("gpus.json"));
        for (const json& entry : file.at("gpus")) {
            const std::size_t index = c.gpus.size();
            c.gpus.push_back(read_gpu(entry));
            c.by_name.emplace(c.gpus.back().name, index);
            for (const json& alias : entry.at("aliases"))
                c.by_name.emplace(folded_name(alias.get<std::string>()), index);
        }
        return c;
    }();
    return the_catalog;
}

/// A slice has its share of bandwidth and L2 by memory slices and of compute by multiprocessors
/// (NVIDIA MIG user guide); its instances cannot talk over NVLink.
Gpu slice_of(const Gpu& whole, const MigProfile& profile) {
    Gpu slice = whole;
    const double memory_share = profile.memory_slices / 8.0;
    const double compute_share = static_cast<double>(profile.multiprocessors) / whole.multiprocessors;
    slice.name += "/" + profile.name;
    slice.memory_bytes = profile.memory_bytes;
    slice.bytes_per_second *= memory_share;
    slice.l2_mib = static_cast<int>(whole.l2_mib * memory_share);
    for (double* peak :
         {&slice.fp16_flops, &slice.bf16_flops, &slice.fp8_flops, &slice.fp4_flops, &slice.int8_ops})
        *peak *= compute_share;
    slice.multiprocessors = profile.multiprocessors;
    slice.link_bytes_per_second = 0;
    slice.mig.clear();
    return slice;
}

/// One client of N under CUDA MPS. Nothing bounds its memory bandwidth, which all share: an Nth of it is what it has
/// while the others work.
Gpu share_of(const Gpu& whole, int clients) {
    Gpu share = whole;
    share.name += fmt::format("/mps-{}", clients);
    share.memory_bytes /= clients;
    for (double* part : {&share.bytes_per_second, &share.fp16_flops, &share.bf16_flops, &share.fp8_flops,
                         &share.fp4_flops, &share.int8_ops, &share.link_bytes_per_second})
        *part /= clients;
    share.multiprocessors = std::max(1, whole.multiprocessors / clients);
    share.mig.clear();
    return share;
}

Problem unknown(std::string_view name) {
    std::vector<std::string> known;
    for (const auto& [alias, index] : gpu_catalog().by_name) known.push_back(alias);
    std::vector<std::string> nearest;
    for (const std::string& alias : nearest_names(name, known, 6)) {
        const std::string& canonical = gpu_catalog().gpus[gpu_catalog().by_name.at(alias)].name;
        if (std::find(nearest.begin(), nearest.end(), canonical) == nearest.end())
            nearest.push_back(canonical);
    }
    if (nearest.size() > 3) nearest.resize(3);
    return {{},
            "gpu",
            fmt::format("found '{}', which is no GPU of the catalogue; did you mean {}?", name,
                        spoken_list(nearest))};
}

}  // namespace

int Gpu::compute_capability() const {
    int number = 0;
    if (architecture.starts_with("sm"))
        std::from_chars(architecture.data() + 2, architecture.data() + architecture.size(), number);
    return number;
}

double Gpu::flops(NumberType type) const {
    const double sixteen = bf16_flops > 0 && type != NumberType::fp16 ? bf16_flops : fp16_flops;
    switch (type) {
        case NumberType::fp8:
            return fp8_flops > 0 ? fp8_flops : sixteen;
        case NumberType::int8:
            return int8_ops > 0 ? int8_ops : sixteen;
        case NumberType::nvfp4:
            return fp4_flops > 0 ? fp4_flops : sixteen;
        case NumberType::fp32:
            return sixteen / 2;
        case NumberType::bf16:
        case NumberType::fp16:
        case NumberType::int4:
        case NumberType::mxfp4:
            return sixteen;
    }
    return sixteen;
}

const std::vector<Gpu>& all_gpus() { return gpu_catalog().gpus; }

Result<ResolvedGpu> get_gpu(std::string_view name) {
    const std::size_t slash = name.find('/');
    const std::string card = folded_name(name.substr(0, slash));
    const auto found = gpu_catalog().by_name.find(card);
    if (found == gpu_catalog().by_name.end()) return unknown(name.substr(0, slash));
    const Gpu& whole = gpu_catalog().gpus[found->second];
    ResolvedGpu resolved{whole, {}};
    if (card == "a100" || card == "v100" || card == "h100")
        resolved.note =
            fmt::format("'{}' is made in several sizes; taken as {}, as clouds name it", name, whole.name);
    if (slash == std::string_view::npos) return resolved;

    const std::string wanted = folded_name(name.substr(slash + 1));
    int clients = 0;
    if (wanted.starts_with("mps-") &&
        std::from_chars(wanted.data() + 4, wanted.data() + wanted.size(), clients).ptr == wanted.data() + wanted.size() &&
        clients >= 1 && clients <= 64) {
        resolved.gpu = share_of(whole, clients);
        return resolved;
    }
    std::vector<std::string> profiles;
    for (const MigProfile& profile : whole.mig) {
        if (profile.name == wanted) {
            resolved.gpu = slice_of(whole, profile);
            return resolved;
        }
        profiles.push_back(profile.name);
    }
    return Problem{
        {},
        "gpu",
        fmt::format("found MIG profile '{}' of {}, allowed: {}", wanted, whole.name, spoken_list(profiles))};
}

double pcie_bytes_per_second(const Gpu& gpu) { return 16e9 * std::pow(2.0, gpu.pcie_generation - 3); }

double one_way_link_bytes_per_second(const Gpu& gpu) {
    return gpu.link_bytes_per_second > 0 ? gpu.link_bytes_per_second / 2 : pcie_bytes_per_second(gpu);
}

}  // namespace windtunnel
