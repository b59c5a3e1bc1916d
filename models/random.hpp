#pragma once
#include "models/host_device.hpp"

#include <Random123/philox.h>
#include <cstdint>

namespace windtunnel {

/// What a random stream is for. Values are part of every result's reproducibility: append, never renumber.
enum class StreamPurpose : std::uint32_t {
    arrivals = 1,           ///< entity: index of the workload
    prompt_length = 2,      ///< entity: index of the workload
    output_length = 3,      ///< entity: index of the workload
    thinning = 4,           ///< which requests of a trace are kept
    client_choice = 5,      ///< ServeGen: whose lengths a client without its own borrows
    cold_start = 6,         ///< entity: node or pod
    image_pull = 7,         ///< entity: node or pod
    node_provisioning = 8,  ///< entity: node
    spot_market = 9,     ///< entity: market or zone (by name)
    spot_eviction = 10,  ///< entity: market and seat
    fault = 11,          ///< entity: fault of the scenario
    routing = 12,        ///< entity: request
    speculation = 13,    ///< entity: request
    scheduling_tie = 14, ///< entity: pod
    controller_phase = 15,  ///< entity: autoscaler
    expander_choice = 32,   ///< number: iteration of cluster-autoscaler
    spot_depth = 33,        ///< entity: shape; number: launch
    retry_jitter = 48,      ///< entity: request; block: attempt
    connection = 49,        ///< entity: request; block: attempt
    degraded_error = 50,    ///< entity: request; block: replica
    degraded_answer = 51,   ///< entity: request; block: replica
    degraded_probe = 52,    ///< entity: pod
    rule_group_phase = 16,  ///< entity: group of alerting rules
    scrape_phase = 17,      ///< entity: pod; block: incarnation
    exporter_phase = 18,    ///< entity: node, or 2^31 + workload
    metrics_server_phase = 19,
    shared_prefix = 56,     ///< entity: index of the workload
    bootstrap = 64,         ///< statistics over trials; entity: which interval; trial: the resample

};

/// The high 64 bits of a 64 x 64 bit product, in plain integers on host and device.
WT_HD constexpr std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t a0 = a & 0xffffffffu, a1 = a >> 32;
    const std::uint64_t b0 = b & 0xffffffffu, b1 = b >> 32;
    const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    const std::uint64_t other = a0 * b1 + (middle & 0xffffffffu);
    return a1 * b1 + (middle >> 32) + (other >> 32);
}

/// A counter-based stream of random numbers: Philox4x32-10 (Salmon et al., SC'11), from Random123.
///
/// The key is the seed; the counter is (block, entity, purpose, trial), so that a draw depends on nothing but
/// these and its own number: streams never overlap, and the order in which events draw does not matter.
/// A stream holds 2^33 draws. Plain; may live in trial state.
class RandomStream {
public:
    /// `first_block` starts it later: at draw 2 * first_block.
    WT_HD RandomStream(std::uint64_t seed, std::uint32_t trial, StreamPurpose purpose, std::uint32_t entity,
                       std::uint32_t first_block = 0)
        : m_seed(seed),
          m_trial(trial),
          m_purpose(static_cast<std::uint32_t>(purpose)),
          m_entity(entity),
          m_block(first_block) {}

    /// 64 uniform bits.
    WT_HD_CALL std::uint64_t next_u64() {
        if (m_second_ready) {
            m_second_ready = false;
            return m_second;
        }
        philox4x32_ctr_t counter = {{m_block, m_entity, m_purpose, m_trial}};
        philox4x32_key_t key = {
            {static_cast<std::uint32_t>(m_seed), static_cast<std::uint32_t>(m_seed >> 32)}};
        const philox4x32_ctr_t out = philox4x32_R(10, counter, key);
        ++m_block;
        m_second = static_cast<std::uint64_t>(out.v[3]) << 32 | out.v[2];
        m_second_ready = true;
        return static_cast<std::uint64_t>(out.v[1]) << 32 | out.v[0];
    }

    /// Uniform on the open interval (0, 1): the midpoints of 2^52 equal cells, never 0 and never 1.
    WT_HD double uniform_open() {
        return (static_cast<double>(next_u64() >> 12) + 0.5) * 2.220446049250313e-16;  // 2^-52
    }

    /// Uniform on 0 .. bound - 1 without bias; requires bound > 0. Multiply and shift, drawing again in the
    /// rare case that would favour low values (Lemire 2019, "Fast random integer generation in an interval").
    WT_HD std::uint64_t below(std::uint64_t bound) {
        std::uint64_t x = next_u64();
        if (x * bound < bound) {
            const std::uint64_t threshold = (0 - bound) % bound;
            while (x * bound < threshold) x = next_u64();
        }
        return multiply_high(x, bound);
    }

private:
    std::uint64_t m_seed;
    std::uint64_t m_second = 0;
    std::uint32_t m_trial, m_purpose, m_entity;
    std::uint32_t m_block;
    bool m_second_ready = false;
};

}  // namespace windtunnel
