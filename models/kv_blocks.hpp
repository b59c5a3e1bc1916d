#pragma once
#include "models/block_cache.hpp"
#include "models/group_cache.hpp"
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
        std::int32_t beside = 0;   ///< how many more than that, or fewer, all groups of layers have together
        [[nodiscard]] WT_HD std::int64_t idle() const { return blocks() + beside - in_use; }
    };

    /// `shareable`: how many blocks others may find again; `listed`: how many of them a job may hold, where
    /// jobs list them; `caching`: prefixes are cached at all; `grouped`: of engines that cache by block.
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int32_t max_num_seqs, bool caching,
                                std::int64_t shareable, std::int64_t listed, const GroupCacheSizes& grouped) {
        m_cache.take_memory(arena, shareable, caching ? max_num_seqs : 0, listed);
        m_groups = arena.template take<GroupCache<Layout>>(grouped.blocks > 0 ? 1 : 0);
        if (grouped.blocks == 0) return;
        GroupCache<Layout> dry;
        GroupCache<Layout>& groups = m_groups.valid() ? m_groups[0] : dry;
        groups = GroupCache<Layout>{};
        groups.take_memory(arena, grouped, max_num_seqs);
    }
    WT_HD_COLD void start(const ServerConfig& config) {
        m_block_size = static_cast<std::uint32_t>(config.block_size);
        m_free = config.usable_blocks;
        m_caching = config.prefix_caching != 0;
        m_drops_last = config.drops_last_hit != 0;
        m_by_block = config.caches_by_block();
        if (m_by_block)
            groups().start(config);
        else if (m_caching)
            m_cache.start(m_free);
    }
    [[nodiscard]] WT_HD std::int64_t free() const { return m_free; }
    /// Each block counts by itself (models/group_cache.hpp), and is taken with extend and freed with leave.
    [[nodiscard]] WT_HD bool by_block() const { return m_by_block; }
    [[nodiscard]] WT_HD bool caching() const { return m_caching; }

    /// A job comes to this server; one that waits leaves it.
    WT_HD void arrive(Pool& pool, JobIndex index) const {
        if (!m_caching) return;
        pool.blocks[index] = {};
        if (m_by_block) pool.blocks[index].left = 0;
    }
    WT_HD void leave_queue(Pool& pool, JobIndex index) {
        if (m_caching && !m_by_block) m_cache.disown(pool.blocks[index]);
    }

    WT_HD void take(Pool& pool, std::int64_t blocks) {
        m_free -= blocks;
        if (m_caching) m_cache.pop(blocks, pool.blocks);
    }
    /// A job has so many blocks in each group of layers.
    WT_HD void extend(Pool& pool, JobIndex index, std::int64_t blocks) {
        if (pool.blocks[index].shared >= blocks) return;
        groups().extend(pool.blocks[index], static_cast<std::uint32_t>(blocks));
        m_free = groups().free();
    }
    /// ... which it or others take by take_by_block.
    WT_HD void note_blocks(Pool& pool, JobIndex index, std::int64_t blocks) const {
        pool.blocks[index].shared = static_cast<std::uint32_t>(blocks);
    }
    WT_HD void take_by_block(std::int64_t blocks) {
        if (blocks == 0) return;
        groups().pop(blocks);
        m_free = groups().free();
    }
    /// Its window has left so many of them.
    WT_HD void leave(Pool& pool, JobIndex index, std::int64_t blocks) {
        if (pool.blocks[index].left >= blocks) return;
        groups().leave(pool.blocks[index], chain_of(pool, index), static_cast<std::uint32_t>(blocks));
        m_free = groups().free();
    }
    /// So many of them are full, and known.
    WT_HD void enter(Pool& pool, JobIndex index, std::int64_t blocks) {
        if (pool.blocks[index].left_full < blocks)
            groups().enter(pool.blocks[index], chain_of(pool, index), static_cast<std::uint32_t>(blocks));
    }
    /// The first of a job's blocks from where its window begins to before `end` that others have in theirs too, or `end`.
    [[nodiscard]] WT_HD std::int64_t first_shared(const Pool& pool, JobIndex index, std::int64_t end) const {
        const std::uint32_t shareable = shareable_blocks(pool, pool[index]);
        const std::int64_t most = end < shareable ? end : shareable;
        if (pool.blocks[index].left >= most) return end;
        const std::uint32_t first =
            groups().first_shared(pool.blocks[index], chain_of(pool, index), static_cast<std::uint32_t>(most));
        return first < most ? first : end;
    }
    /// How many blocks may be taken, of `most`, without a change in what a job with `whole` tokens finds.
    [[nodiscard]] WT_HD std::int64_t takes_before(const Pool& pool, JobIndex index, std::int64_t whole, std::int64_t most) const {
        return groups().takes_before(chain_of(pool, index), static_cast<std::uint32_t>(whole - 1) / m_block_size, most);
    }
    /// Frees all `blocks` of a job, the first `full` of which are full. `comes_back`: it was preempted.
    WT_HD void release(Pool& pool, JobIndex index, std::int64_t blocks, std::int64_t full, bool comes_back) {
        if (!m_caching) {
            m_free += blocks;
            return;
        }
        JobBlocks& held = pool.blocks[index];
        if (m_by_block) {
            if (comes_back) enter(pool, index, full);
            groups().release(held, chain_of(pool, index));
            m_free = groups().free();
            return;
        }
        m_free += m_cache.release(held, blocks - held.shared, comes_back ? full - held.shared : 0, index);
    }
    /// vllm.md 2.4: from the first block to the first that is missing, and never the last of its `whole`
    /// tokens.
    [[nodiscard]] WT_HD Found find(const Pool& pool, JobIndex index, std::int64_t whole) const {
        if (!m_caching) return {};
        const std::uint32_t most = static_cast<std::uint32_t>(whole - 1) / m_block_size;
        if (m_by_block) return find_in_groups(pool, index, most);
        const Found found = find_up_to(pool, index, most);
        if (!m_drops_last || found.own > 0 || found.shared == 0) return found;
        return find_up_to(pool, index, found.shared - 1);
    }
    /// A job that is admitted takes what was found. Counts a first admission.
    WT_HD void take_found(Pool& pool, JobIndex index, const Found& found, ServerGauges& counters) {
        if (!m_caching) return;
        const Job& job = pool[index];
        JobBlocks& held = pool.blocks[index];
        m_free -= found.idle();
        if (m_by_block) {
            if (!held.admitted) held.last = groups().take_number();
            groups().take(held, chain_of(pool, index), found.shared);
        } else {
            m_cache.take(held, paths_of(pool), path_of(pool, job), found.shared);
            m_cache.take_left(held, found.own);
        }
        if (held.admitted) return;
        held.admitted = 1;
        counters.prefix_queries += job.prompt_tokens;
        counters.prefix_hits += static_cast<std::uint64_t>(found.blocks()) * m_block_size;
    }
    /// Blocks are found by others from the moment that their tokens are scheduled.
    WT_HD void enter_full(Pool& pool, JobIndex index) {
        if (!m_caching) return;
        const Job& job = pool[index];
        if (m_by_block) return enter(pool, index, job.computed / m_block_size);
        JobBlocks& held = pool.blocks[index];
        const std::uint32_t shareable = shareable_blocks(pool, job), full = job.computed / m_block_size;
        const std::uint32_t end = full < shareable ? full : shareable;
        m_cache.enter(held, paths_of(pool), path_of(pool, job), end);
    }

private:
    [[nodiscard]] WT_HD GroupCache<Layout>& groups() const { return m_groups[0]; }
    [[nodiscard]] WT_HD BlockChain chain_of(const Pool& pool, JobIndex index) const {
        const Job& job = pool[index];
        return {paths_of(pool), path_of(pool, job), shareable_blocks(pool, job), pool.blocks[index].last};
    }
    [[nodiscard]] WT_HD Found find_in_groups(const Pool& pool, JobIndex index, std::uint32_t most) const {
        const auto cached = groups().find(chain_of(pool, index), most);
        Found found;
        found.shared = cached.blocks;
        found.in_use = cached.held;
        found.beside = static_cast<std::int32_t>(cached.there) - static_cast<std::int32_t>(cached.blocks);
        return found;
    }
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
    ArenaArray<GroupCache<Layout>, Layout> m_groups;  ///< one, where there is any
    std::int64_t m_free = 0;
    std::uint32_t m_block_size = 1;
    bool m_caching = false;
    bool m_by_block = false;
    bool m_drops_last = false;
};

}  // namespace windtunnel
