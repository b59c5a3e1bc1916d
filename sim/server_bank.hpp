#pragma once
#include "models/batch_server.hpp"
#include "models/stepwise_server.hpp"
#include "sim/blueprint.hpp"

#include <memory>
#include <vector>

namespace windtunnel {

/// The servers of a trial, one per pod slot, in the trial's arena.
template <class Layout>
class ArenaBank {
public:
    WT_HD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_servers = arena.template take<BatchServer<Layout>>(b.pod_slots);
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            const WorkloadPlan& plan = b.workloads[w];
            Sizes sizes;  // of the largest of its revisions, on any kind of GPU
            for (std::uint32_t t = plan.first_template; t < plan.first_template + plan.template_count; ++t) {
                const TemplatePlan& from = b.templates[t];
                grow(b, from.server, sizes);
                if (from.first_kind < 0) continue;
                for (const ShapePlan& shape : b.shapes)
                    grow(b, b.kind_servers[static_cast<std::uint32_t>(from.first_kind) + shape.gpu_kind], sizes);
            }
            for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots; ++p) {
                BatchServer<Layout> dry;
                BatchServer<Layout>& server = m_servers.valid() ? m_servers[p] : dry;
                if (m_servers.valid()) server = BatchServer<Layout>{};
                server.take_memory(arena, sizes.seqs, sizes.block_size, sizes.caching, sizes.cached_blocks);
            }
        }
    }
    WT_HD BatchServer<Layout>& operator[](std::uint32_t p) const { return m_servers[p]; }

private:
    struct Sizes {
        std::int32_t seqs = 0, block_size = 0;
        bool caching = false;
        std::int64_t cached_blocks = 0;
    };
    WT_HD static void grow(const Blueprint& b, std::int32_t server, Sizes& s) {
        if (server < 0) return;
        const ServerConfig& config = b.servers[static_cast<std::size_t>(server)];
        s.seqs = s.seqs < config.max_num_seqs ? config.max_num_seqs : s.seqs;
        s.block_size = s.block_size < config.block_size ? config.block_size : s.block_size;
        if (!config.prefix_caching) return;
        s.caching = true;
        if (b.shared_prefixes && s.cached_blocks < config.usable_blocks) s.cached_blocks = config.usable_blocks;
    }
    ArenaArray<BatchServer<Layout>, Layout> m_servers;
};

/// Step-by-step servers, on the host's heap: the reference.
class StepwiseBank {
public:
    void take_memory(Arena<ContiguousLayout>&, const Blueprint& b) { m_servers.resize(b.pod_slots); }
    StepwiseServer<ContiguousLayout>& operator[](std::uint32_t p) { return m_servers[p]; }

private:
    std::vector<StepwiseServer<ContiguousLayout>> m_servers;
};

}  // namespace windtunnel
