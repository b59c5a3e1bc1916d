#include "models/engine_profile.hpp"

#include "models/bytes.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace windtunnel {
namespace {

Problem bad_version(std::string_view text) {
    return {
        {}, "vllm-version", fmt::format("found '{}', allowed: a release of vLLM, as 0.11 or 0.11.0", text)};
}

CapacityProfile capacity_profile(EngineVersion v, EngineGeneration g) {
    if (g == EngineGeneration::v0) {
        if (v < EngineVersion{2, 5}) return CapacityProfile::p0;
        if (v < EngineVersion{6, 3}) return CapacityProfile::p1;
        return v < EngineVersion{6, 6} ? CapacityProfile::p2 : CapacityProfile::p3;
    }
    if (v.minor < 9) return CapacityProfile::p4;
    if (v.minor < 11) return CapacityProfile::p5;
    return v.minor < 21 ? CapacityProfile::p6 : CapacityProfile::p7;
}

}  // namespace

std::string to_string(EngineVersion version) { return fmt::format("0.{}.{}", version.minor, version.patch); }

std::string_view to_string(CapacityProfile profile) {
    static constexpr std::string_view names[] = {"P0", "P1", "P2", "P3", "P4", "P5", "P6", "P7"};
    return names[static_cast<int>(profile)];
}

Result<EngineVersion> read_engine_version(std::string_view text) {
    std::string_view rest = text;
    if (!rest.empty() && (rest[0] == 'v' || rest[0] == 'V')) rest.remove_prefix(1);
    if (!rest.starts_with("0.")) return bad_version(text);
    rest.remove_prefix(2);
    EngineVersion version{0, 0};
    const char* const end = rest.data() + rest.size();
    auto [after_minor, bad_minor] = std::from_chars(rest.data(), end, version.minor);
    if (bad_minor != std::errc() || version.minor < 1 || version.minor > 99) return bad_version(text);
    const char* at = after_minor;
    if (at != end && *at == '.') {
        auto [after_patch, bad_patch] = std::from_chars(at + 1, end, version.patch);
        if (bad_patch != std::errc() || version.patch < 0) return bad_version(text);
        at = after_patch;
    }
    // What may follow is a pre-release or build mark: rc2, .dev3, .post1, +cu128.
    const std::string_view mark(at, static_cast<std::size_t>(end - at));
    if (!mark.empty() && !mark.starts_with("rc") && !mark.starts_with(".dev") && !mark.starts_with(".post") &&
        !mark.starts_with("+") && !mark.starts_with("a") && !mark.starts_with("b"))
        return bad_version(text);
    return version;
}

Result<EngineProfile> engine_profile(std::optional<EngineVersion> version,
                                     std::optional<EngineGeneration> generation) {
    const EngineGeneration g =
        generation.value_or(!version || version->minor >= 8 ? EngineGeneration::v1 : EngineGeneration::v0);
    // The last release that still contained V0 was 0.10.
    const EngineVersion v = version.value_or(g == EngineGeneration::v0 ? EngineVersion{9, 2} : newest_engine);
    if (g == EngineGeneration::v0 && v.minor >= 11)
        return Problem{
            {},
            "engine",
            fmt::format("found v0 with vLLM {}, allowed: v1, or a version before 0.11", to_string(v))};
    if (g == EngineGeneration::v1 && v.minor < 7)
        return Problem{
            {},
            "engine",
            fmt::format("found v1 with vLLM {}, allowed: v0, or a version from 0.7", to_string(v))};
    EngineProfile p;
    p.version = v;
    p.generation = g;
    p.capacity = capacity_profile(v, g);
    const bool v1 = g == EngineGeneration::v1;
    p.hybrid_kv_groups = v1 && v.minor >= 11;
    p.asynchronous_scheduling = v1 && v.minor >= 14;
    p.full_sequence_guard = v1 && v.minor >= 19;
    p.prefix_caching = v1;
    p.chunked_prefill = v1;
    p.full_graphs = v1 && v.minor >= 11;
    p.concurrency_in_blocks = v1 && v >= EngineVersion{9, 1};
    p.kv_watermark = v1 ? 0 : 0.01;
    p.gpu_memory_utilization = v.minor >= 22 ? 0.92 : 0.90;
    return p;
}

BatchLimits default_batch_limits(const EngineProfile& profile, const Gpu& gpu, int max_model_len,
                                 std::optional<int> max_num_seqs, std::optional<int> max_num_batched_tokens) {
    const EngineVersion v = profile.version;
    BatchLimits limits;
    if (profile.generation == EngineGeneration::v0) {
        // Chunked prefill turns itself on above 32768 tokens from 0.5.4 on, with 512 tokens, 2048 from 0.6.4.
        const bool chunked = v >= EngineVersion{5, 4} && max_model_len > 32768;
        limits.max_num_seqs = 256;
        limits.max_num_batched_tokens =
            chunked ? (v >= EngineVersion{6, 4} ? 2048 : 512) : std::max(max_model_len, 2048);
    } else {
        const bool a100 = gpu.name.starts_with("a100");
        const bool large = gpu.memory_bytes >= 70 * gib;
        const bool hopper = gpu.name.starts_with("h100") || gpu.name.starts_with("h200");
        bool many_seqs = large, many_tokens = large;
        if (v.minor == 7) {
            many_seqs = true;
            many_tokens = hopper;
        } else if (v >= EngineVersion{9, 2}) {
            many_seqs = many_tokens = large && !a100;
        }
        limits.max_num_seqs = many_seqs ? 1024 : 256;
        limits.max_num_batched_tokens = many_tokens ? 8192 : 2048;
    }
    if (max_num_seqs) limits.max_num_seqs = *max_num_seqs;
    if (max_num_batched_tokens) {
        limits.max_num_batched_tokens = *max_num_batched_tokens;
    } else if (profile.generation == EngineGeneration::v1) {
        const std::int64_t most = std::int64_t{limits.max_num_seqs} * std::max(1, max_model_len);
        limits.max_num_batched_tokens =
            static_cast<int>(std::min<std::int64_t>(limits.max_num_batched_tokens, most));
        limits.max_num_batched_tokens =
            std::max(limits.max_num_batched_tokens, max_num_seqs ? *max_num_seqs : 1);
    }
    if (!max_num_seqs) limits.max_num_seqs = std::min(limits.max_num_seqs, limits.max_num_batched_tokens);
    return limits;
}

std::vector<int> captured_batch_sizes(const EngineProfile& profile, const BatchLimits& limits,
                                      std::optional<int> ceiling) {
    std::vector<int> sizes = {1, 2, 4};
    if (profile.generation == EngineGeneration::v0 || profile.version.minor < 11) {
        const int most = ceiling.value_or(profile.generation == EngineGeneration::v0 ? 256 : 512);
        for (int size = 8; size <= most; size += 8) sizes.push_back(size);
    } else {
        int most = ceiling.value_or(std::min(2 * limits.max_num_seqs, 512));
        most = std::min(most, limits.max_num_batched_tokens);
        for (int size = 8; size <= std::min(most, 248); size += 8) sizes.push_back(size);
        for (int size = 256; size <= most; size += 16) sizes.push_back(size);
        std::erase_if(sizes, [most](int size) { return size > most; });
    }
    if (ceiling) std::erase_if(sizes, [&](int size) { return size > *ceiling; });
    return sizes;
}

}  // namespace windtunnel
