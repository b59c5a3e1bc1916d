#pragma once
#include <cstdint>
#include <vector>

namespace windtunnel {

/// A measured call of attention over a paged cache.
struct AttentionTime {
    std::int64_t batch = 0, length = 0, queries = 1;
    int heads = 0, kv_heads = 0, head_dim = 0, element_bytes = 2;
    double seconds = 0;
};
[[nodiscard]] double cache_bytes(const AttentionTime& t);

/// What a decode's attention takes:
///     t = (fixed^p + (c * sequences * KV heads)^p + (bytes / (share * bandwidth))^p)^(1/p).
/// The second term is real: a sequence of 8 tokens costs a tile of 128. p = 1 adds, more lets them overlap.
struct AttentionLaw {
    double fixed_s = 0, sequence_head_s = 0, share = 0, power = 1;
    double median_error = 0, p90_error = 0;  ///< |predicted / measured - 1| of the points fitted to
    double held_out_error = 0;               ///< median over every fifth point, fitted without it
    std::size_t points = 0;                  ///< 0 = too few to fit
};
[[nodiscard]] double law_seconds(const AttentionLaw& law, const AttentionTime& t, double bytes_per_second);

/// Least squares of the logarithms over p in 1, 1.25, 1.5, 2, 4; needs four decodes.
[[nodiscard]] AttentionLaw fit_attention_law(const std::vector<AttentionTime>& decodes,
                                             double bytes_per_second);

}  // namespace windtunnel
