#pragma once
#include "models/block_cache.hpp"
#include "models/job.hpp"
#include "models/server_config.hpp"

namespace windtunnel {

/// The KV blocks of a BatchServer: how many are free and, where it caches prefixes, what they hold.
template <class Layout>
class KvBlocks {
public:
    using Pool = JobPool<Layout>;

    /// What of a job's tokens is cached, in blocks.
    struct Found {
        std::uint32_t shared = 0;  ///< of the part that others may have computed
        std::uint32_t in_use = 0;  ///< of these, how many somebody holds
        std::uint32_t own = 0;     ///< of what it left behind when it was preempted
        [[nodiscard]] WT_HD std::int64_t blocks() const { return std::int64_t{shared} + own; }
        [[nodiscard]] WT_HD std::int64_t idle() const { return blocks() - in_use; }
    };

    /// `shareable`: how many blocks others may find again; `listed`: how many of them a job may hold, where
    /// jobs list them; `caching`: prefixes are cached at all.
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int32_t max_num_seqs, bool caching,
                                std::int64_t shareable, std::int64_t listed) {
        m_cache.take_memory(arena, shareable, caching ? max_num_seqs : 0, listed);
    }
    WT_HD_COLD void start(const ServerConfig& config) {
        m_block_size = static_cast<std::uint32_t>(config.block_size);
        m_free = config.usable_blocks;
        m_caching = config.prefix_caching != 0;
        m_drops_last = config.drops_last_hit != 0;
        if (m_caching) m_cache.start(m_free);
    }
    [[nodiscard]] WT_HD std::int64_t free() const { return m_free; }
    [[nodiscard]] WT_HD bool caching() const { return m_caching; }

    /// A job comes to this server; one that waits leaves it.
    WT_HD void arrive(Pool& pool, JobIndex index) const {
        if (m_caching) pool.blocks[index] = {};
    }
    WT_HD void leave_queue(Pool& pool, JobIndex index) {
        if (m_caching) m_cache.disown(pool.blocks[index]);
    }

    WT_HD void take(Pool& pool, std::int64_t blocks) {
        m_free -= blocks;
        if (m_caching) m_cache.pop(blocks, pool.blocks);
    }
    /// Frees all `blocks` of a job, the first `full` of which are full. `comes_back`: it was preempted.
    WT_HD void release(Pool& pool, JobIndex index, std::int64_t blocks, std::int64_t full, bool comes_back) {
        if (!m_caching) {
            m_free += blocks;
            return;
        }
        JobBlocks& held = pool.blocks[index];
        m_free += m_cache.release(held, blocks - held.shared, comes_back ? full - held.shared : 0, index);
    }
    /// vllm.md 2.4: from the first block to the first that is missing, and never the last of its `whole`
    /// tokens.
    [[nodiscard]] WT_HD Found find(const Pool& pool, JobIndex index, std::int64_t whole) const {
        if (!m_caching) return {};
        const std::uint32_t most = static_cast<std::uint32_t>(whole - 1) / m_block_size;
        const Found found = find_up_to(pool, index, most);
        if (!m_drops_last || found.own > 0 || found.shared == 0) return found;
        return find_up_to(pool, index, found.shared - 1);
    }
    /// A job that is admitted takes what was found. Counts a first admission.
    WT_HD void take_found(Pool& pool, JobIndex index, const Found& found, ServerGauges& counters) {
        if (!m_caching) return;
        const Job& job = pool[index];
        JobBlocks& held = pool.blocks[index];
        m_cache.take(held, paths_of(pool), path_of(pool, job), found.shared);
        m_cache.take_left(held, found.own);
        m_free -= found.idle();
        if (held.admitted) return;
        held.admitted = 1;
        counters.prefix_queries += job.prompt_tokens;
        counters.prefix_hits += static_cast<std::uint64_t>(found.blocks()) * m_block_size;
    }
    /// Blocks are found by others from the moment that their tokens are scheduled.
    WT_HD void enter_full(Pool& pool, JobIndex index) {
        if (!m_caching) return;
        const Job& job = pool[index];
        JobBlocks& held = pool.blocks[index];
        const std::uint32_t shareable = shareable_blocks(pool, job), full = job.computed / m_block_size;
        const std::uint32_t end = full < shareable ? full : shareable;
        m_cache.enter(held, paths_of(pool), path_of(pool, job), end);
    }

private:
    /// Of the first `most` blocks.
    [[nodiscard]] WT_HD Found find_up_to(const Pool& pool, JobIndex index, std::uint32_t most) const {
        const Job& job = pool[index];
        Found found;
        const std::uint32_t shareable = shareable_blocks(pool, job),
                            limit = shareable < most ? shareable : most;
        if (limit > 0) {
            const auto cached = m_cache.find(paths_of(pool), path_of(pool, job), limit);
            found.shared = cached.blocks;
            found.in_use = cached.held;
            if (found.shared < limit) return found;
        }
        found.own = m_cache.left_of(pool.blocks[index]);
        if (found.own > most - found.shared) found.own = most - found.shared;
        return found;
    }
    /// How many blocks of its prompt others may have in common with it.
    [[nodiscard]] WT_HD std::uint32_t shareable_blocks(const Pool& pool, const Job& job) const {
        const Request& request = pool.requests[job.request];
        if (request.prefix_count == 0) return 0;
        const std::uint64_t hashed = std::uint64_t{request.prefix_count} * pool.prefixes.tokens_per_node;
        return static_cast<std::uint32_t>(hashed < job.prompt_tokens ? hashed : job.prompt_tokens) /
               m_block_size;
    }
    [[nodiscard]] WT_HD PromptPaths paths_of(const Pool& pool) const { return {pool.prefixes, m_block_size}; }
    [[nodiscard]] WT_HD static std::uint32_t path_of(const Pool& pool, const Job& job) {
        return pool.requests[job.request].prefix - 1;
    }

    BlockCache<Layout> m_cache;
    std::int64_t m_free = 0;
    std::uint32_t m_block_size = 1;
    bool m_caching = false;
    bool m_drops_last = false;
};

}  // namespace windtunnel
