#pragma once
#include "models/batch_server.hpp"
#include "models/replica_server.hpp"
#include "models/stepwise_server.hpp"
#include "sim/blueprint.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace windtunnel {

/// The servers of a trial, one per pod slot, in the trial's arena.
template <class Layout>
class ArenaBank {
    using Server = ReplicaServer<Layout, BatchServer<Layout>>;

public:
    WT_HD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_servers = arena.template take<Server>(b.pod_slots);
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
                Server dry;
                Server& server = m_servers.valid() ? m_servers[p] : dry;
                if (m_servers.valid()) server = Server{};
                const auto more = arena.template take<BatchServer<Layout>>(static_cast<std::size_t>(sizes.ranks - 1));
                server.take_memory(arena, more, sizes.instances);
                for (std::int32_t r = 0; r < sizes.ranks; ++r) {
                    BatchServer<Layout> none;
                    BatchServer<Layout>& engine = m_servers.valid() && (r == 0 || more.valid()) ? server.rank(static_cast<std::uint32_t>(r)) : none;
                    engine = BatchServer<Layout>{};
                    engine.take_memory(arena, sizes.seqs, sizes.block_size, sizes.caching, sizes.cached_blocks, sizes.stages,
                                       sizes.windows, sizes.listed, sizes.receives, sizes.grouped);
                }
            }
        }
    }
    WT_HD Server& operator[](std::uint32_t p) const { return m_servers[p]; }

private:
    struct Sizes {
        std::int32_t seqs = 0, block_size = 0, ranks = 1, instances = 0, stages = 1;
        bool caching = false, windows = false, receives = false;
        std::int64_t cached_blocks = 0, listed = 0;
        GroupCacheSizes grouped;
    };
    WT_HD static void grow(const Blueprint& b, std::int32_t server, Sizes& s) {
        if (server < 0) return;
        const ServerConfig& config = b.servers[static_cast<std::size_t>(server)];
        if (config.kind == ReplicaKind::whole_batches) {
            s.instances = s.instances < config.instances ? config.instances : s.instances;
            return;
        }
        s.ranks = s.ranks < config.data_parallel ? config.data_parallel : s.ranks;
        s.stages = s.stages < config.pipeline_stages ? config.pipeline_stages : s.stages;
        s.seqs = s.seqs < config.max_num_seqs ? config.max_num_seqs : s.seqs;
        s.block_size = s.block_size < config.block_size ? config.block_size : s.block_size;
        s.windows = s.windows || config.window_groups > 0;
        s.receives = s.receives || config.receives != 0;
        if (!config.prefix_caching) return;
        s.caching = true;
        s.grouped.grow(config);
        if (!b.shared_prefixes || config.caches_by_block()) return;
        s.cached_blocks = s.cached_blocks < config.usable_blocks ? config.usable_blocks : s.cached_blocks;
        const std::int64_t prompt = config.blocks_for(config.max_model_len);
        if (config.lists_blocks() && s.listed < prompt) s.listed = prompt;
    }
    ArenaArray<Server, Layout> m_servers;
};

/// Step-by-step servers, on the host's heap: the reference.
class StepwiseBank {
public:
    using Engine = StepwiseServer<ContiguousLayout>;
    using Server = ReplicaServer<ContiguousLayout, Engine>;

    void take_memory(Arena<ContiguousLayout>& arena, const Blueprint& b) {
        std::int32_t instances = 1;
        std::size_t more = 0;
        for (const ServerConfig& config : b.servers) {
            instances = std::max(instances, config.instances);
            more = std::max(more, static_cast<std::size_t>(config.data_parallel - 1));
        }
        m_servers.resize(b.pod_slots);
        m_more.resize(b.pod_slots * more);
        for (std::size_t p = 0; p < m_servers.size(); ++p)
            m_servers[p].take_memory(arena, ArenaArray<Engine, ContiguousLayout>(m_more.data() + p * more, more), instances);
    }
    Server& operator[](std::uint32_t p) { return m_servers[p]; }

private:
    std::vector<Server> m_servers;
    std::vector<Engine> m_more;
};

}  // namespace windtunnel
