#pragma once
#include "gpu/attention_args.hpp"

#include <vector>

namespace windtunnel {

/// What AttentionArgs means, in double precision, one token after the other: the judge of the kernel.
/// Pointers of `args` are the host's; items and partials are not looked at. `weight_of_values` receives,
/// element by element, the softmax-weighted sum of |value|, to which rounding errors are in proportion. Gives
/// [query tokens][heads][head_dim]; zeros where nothing is visible.
[[nodiscard]] std::vector<double> reference_attention(const AttentionArgs& args, FloatFormat kv_format,
                                                      int sequences,
                                                      std::vector<double>* weight_of_values = nullptr);

/// The largest |found - expected| an element may have, given the weighted sum of |value|: the weights and the
/// result are each rounded by up to half a unit in the last place (2^-11 in fp16, 2^-8 in bf16; e4m3 values
/// are exact and their weights fp16), and the scores' sums in fp32 leave 2^-14 or less.
[[nodiscard]] double attention_tolerance(FloatFormat kv_format, FloatFormat query_format,
                                         double weighted_values);

}  // namespace windtunnel
