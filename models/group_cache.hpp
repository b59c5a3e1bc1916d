#pragma once
#include "models/block_cache.hpp"
#include "models/server_config.hpp"

namespace windtunnel {

/// What the blocks of a sequence hold, one after the other: of its prompt what others may have too, then its
/// own.
struct BlockChain {
    PromptPaths paths;
    std::uint32_t path = 0;
    std::uint32_t shareable = 0;  ///< blocks
    std::uint32_t number = 0;     ///< of the sequence

    /// (node, block), or (number, block) with the lowest bit set.
    [[nodiscard]] WT_HD std::uint32_t owner(std::uint32_t block) const {
        return block < shareable ? paths.node(path, block) : number;
    }
    [[nodiscard]] WT_HD std::uint32_t place(std::uint32_t block) const {
        return block << 1 | (block < shareable ? 0 : 1);
    }
};

/// What a GroupCache takes, for the largest of several engines: blocks of the pool, and groups of layers.
struct GroupCacheSizes {
    std::int64_t blocks = 0;
    std::int32_t groups = 0;
    WT_HD_COLD void grow(const ServerConfig& config) {
        if (!config.caches_by_block()) return;
        if (groups < config.groups()) groups = config.groups();
        if (blocks < config.usable_blocks) blocks = config.usable_blocks;
    }
};

/// The KV blocks of one vLLM engine with prefix caching whose layers stand in groups, some of which see a
/// window (vllm.md 2.2 to 2.8, 3.9). Exact, block by block.
///
/// Every group takes a block for the same tokens. What a window has left goes back, is still found, and is
/// forgotten when it comes to the front of the free list; so what is cached of a chain is no beginning of it,
/// and runs (models/block_cache.hpp) would be single blocks. Therefore each block has a record.
///
/// Which blocks a sequence holds needs no table. Those that it found were the oldest copies of what they
/// hold, and are as long as they are held: they are found again. Those that it took are linked, each with the
/// one before and behind it, by what links a free block in its list: nobody but who took a block follows its
/// links, and only while it holds it.
///
/// A job's JobBlocks mean here: `last` its number; `shared` the blocks that it has in each group, those that
/// windows have left included; `left` how many these are; `left_full` those that are found from now on;
/// `list` its place among the sequences.
template <class Layout>
class GroupCache {
public:
    static constexpr std::uint32_t none = 0xffffffffu;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const GroupCacheSizes& sizes, std::int64_t jobs) {
        m_jobs = static_cast<std::uint32_t>(jobs);
        m_holdings =
            arena.template take<std::uint32_t>(static_cast<std::size_t>(jobs * (1 + 2 * sizes.groups)));
        m_free_holdings = arena.template take<std::uint32_t>(static_cast<std::size_t>(jobs));
        m_blocks = arena.template take<Block>(static_cast<std::size_t>(sizes.blocks));
        std::uint32_t slots = 16;
        while (slots < 2 * static_cast<std::uint64_t>(sizes.blocks)) slots *= 2;
        m_slots = arena.template take<std::uint32_t>(slots);
        m_slot_count = slots;
    }

    /// Empty: blocks that hold nothing.
    WT_HD_COLD void start(const ServerConfig& config) {
        m_full = static_cast<std::uint32_t>(config.full_groups);
        m_groups = static_cast<std::uint32_t>(config.groups());
        m_seen = static_cast<std::uint32_t>(config.blocks_for(config.window_tokens - 1));
        m_total = static_cast<std::uint32_t>(config.usable_blocks);
        for (std::uint32_t i = 0; i < m_slot_count; ++i) m_slots[i] = none;
        for (std::uint32_t i = 0; i < m_jobs; ++i) m_free_holdings[i] = i;
        m_holdings_left = m_jobs;
        m_fresh = m_numbers = 0;
        m_first = m_last = none;
        m_free = config.usable_blocks;
    }
    [[nodiscard]] WT_HD std::int64_t free() const { return m_free; }

    // ---- finding blocks again ------------------------------------------------------------------------

    /// Of the first blocks of a chain those that are cached in every group; of the windowed ones a window at
    /// the end is enough (2.7, 2.8). A shorter hit of the full groups is a hit of theirs too, so one look at
    /// each will do.
    struct Cached {
        std::uint32_t blocks = 0;  ///< in each group
        std::uint32_t there = 0;   ///< in all of them together, less what windows do not see
        std::uint32_t held = 0;    ///< of these, those that somebody holds
    };
    [[nodiscard]] WT_HD_CALL Cached find(const BlockChain& chain, std::uint32_t limit) const {
        std::uint32_t held = 0, full = m_full == 0 ? limit : 0;
        for (; m_full > 0 && full < limit; ++full) {
            const std::uint32_t here = held_copies(chain, full, 0, m_full);
            if (here == none) break;
            held += here;
        }
        Cached found;
        found.blocks = length_in_windows(chain, full);
        for (std::uint32_t i = found.blocks; m_full > 0 && i < full; ++i)
            held -= held_copies(chain, i, 0, m_full);
        found.there = m_full * found.blocks;
        if (m_groups > m_full)
            for (std::uint32_t i = found.blocks - seen_of(found.blocks); i < found.blocks; ++i) {
                held += held_copies(chain, i, m_full, m_groups);
                found.there += m_groups - m_full;
            }
        found.held = held;
        return found;
    }
    /// A job takes the first `blocks` of its chain, which were found.
    WT_HD_CALL void take(JobBlocks& job, const BlockChain& chain, std::uint32_t blocks) {
        job.list = m_free_holdings[--m_holdings_left];
        job.shared = job.left_full = blocks;
        job.left = blocks - seen_of(blocks);
        found(job) = blocks;
        for (std::uint32_t g = 0; g < m_groups; ++g)
            for (std::uint32_t i = g < m_full ? 0 : job.left; i < blocks; ++i) {
                const std::uint32_t index = oldest(chain, i, g);
                if (m_blocks[index].holders++ > 0) continue;
                unlink(index);
                --m_free;
            }
    }
    [[nodiscard]] WT_HD std::uint32_t take_number() { return m_numbers++; }

    /// How many blocks may be taken, of `most`, before one is forgotten that belongs to the first `limit` of
    /// a chain.
    [[nodiscard]] WT_HD_COLD std::int64_t takes_before(const BlockChain& chain, std::uint32_t limit,
                                                       std::int64_t most) const {
        std::int64_t count = m_total - m_fresh;
        for (std::uint32_t at = m_first; at != none && count < most; at = m_blocks[at].next, ++count) {
            const Block& block = m_blocks[at];
            const std::uint32_t i = block.place >> 1;
            if (block.group != none && i < limit && chain.place(i) == block.place &&
                chain.owner(i) == block.owner)
                break;
        }
        return count;
    }

    /// The first of a job's blocks, from where its window begins to before `end`, that others hold too; or
    /// `end`.
    [[nodiscard]] WT_HD_CALL std::uint32_t first_shared(const JobBlocks& job, const BlockChain& chain,
                                                        std::uint32_t end) const {
        for (std::uint32_t g = m_full; g < m_groups; ++g) {
            std::uint32_t own = head(job, g);
            for (std::uint32_t i = job.left; i < end; ++i) {
                const std::uint32_t index = i < found(job) ? oldest(chain, i, g) : own;
                if (m_blocks[index].holders > 1) end = i;
                if (i >= found(job)) own = m_blocks[own].next;
            }
        }
        return end;
    }

    // ---- taking and freeing --------------------------------------------------------------------------

    /// A job has `blocks` blocks in each group from now on, the new ones free ones, oldest first.
    WT_HD_CALL void extend(JobBlocks& job, std::uint32_t blocks) {
        for (std::uint32_t g = 0; g < m_groups; ++g)
            for (std::uint32_t i = job.shared; i < blocks; ++i) {
                const std::uint32_t index = pop();
                if (i == found(job)) {
                    head(job, g) = index;
                } else {
                    m_blocks[index].previous = tail(job, g);
                    m_blocks[tail(job, g)].next = index;
                }
                tail(job, g) = index;
            }
        job.shared = blocks;
    }
    /// The first `full` of a job's blocks are found from now on.
    WT_HD_CALL void enter(JobBlocks& job, const BlockChain& chain, std::uint32_t full) {
        for (std::uint32_t g = 0; g < m_groups; ++g) {
            const std::uint32_t first = g < m_full || job.left < job.left_full ? job.left_full : job.left;
            std::uint32_t at = tail(job, g);
            for (std::uint32_t i = job.shared; i-- > first; at = m_blocks[at].previous)
                if (i < full) enter(at, chain.owner(i), chain.place(i), g);
        }
        job.left_full = full;
    }
    /// A window has left the first `left` of a job's blocks, which are full: the last goes back first.
    WT_HD_CALL void leave(JobBlocks& job, const BlockChain& chain, std::uint32_t left) {
        const std::uint32_t first = job.left > found(job) ? job.left : found(job);  // of those that it took
        for (std::uint32_t g = m_full; g < m_groups; ++g) {
            if (left > first) {
                std::uint32_t at = head(job, g);
                for (std::uint32_t i = first + 1; i < left; ++i) at = m_blocks[at].next;
                head(job, g) = m_blocks[at].next;
                for (std::uint32_t i = left; i-- > first;) {
                    const std::uint32_t before = m_blocks[at].previous;
                    if (i >= job.left_full) enter(at, chain.owner(i), chain.place(i), g);
                    let_go(at);
                    at = before;
                }
            }
            for (std::uint32_t i = left < found(job) ? left : found(job); i-- > job.left;)
                let_go(oldest(chain, i, g));
        }
        job.left = left;
    }
    /// A job frees all of its blocks, group by group, the last first. vLLM's groups stand in the order of their first
    /// layers, and in gpt-oss, Gemma and EXAONE that is a windowed one (general knowledge of 2025, not re-read).
    WT_HD_CALL void release(JobBlocks& job, const BlockChain& chain) {
        for (std::uint32_t n = 0; n < m_groups; ++n) {
            const std::uint32_t g = (m_full + n) % m_groups;
            std::uint32_t own = tail(job, g);
            for (std::uint32_t i = job.shared; i-- > (g < m_full ? 0 : job.left);) {
                const std::uint32_t index = i < found(job) ? oldest(chain, i, g) : own;
                if (i >= found(job)) own = m_blocks[own].previous;
                let_go(index);
            }
        }
        m_free_holdings[m_holdings_left++] = job.list;
        job.list = none;
        job.shared = job.left = job.left_full = 0;
    }

private:
    struct Block {
        std::uint32_t owner, place;  ///< what it holds (BlockChain)
        std::uint32_t group;         ///< `none` = nothing that is found
        std::uint32_t holders;       ///< jobs
        std::uint32_t next,
            previous;  ///< in the free list, from its front; of one that is held: among its taker's
        std::uint32_t older, younger;  ///< a ring of the blocks that hold the same
    };

    [[nodiscard]] WT_HD std::uint32_t seen_of(std::uint32_t blocks) const {
        return blocks < m_seen ? blocks : m_seen;
    }
    // Of a job: how many of its blocks were found, and the first and the last in a group of those that it
    // took.
    [[nodiscard]] WT_HD std::uint32_t& found(const JobBlocks& job) const { return holding(job, 0); }
    [[nodiscard]] WT_HD std::uint32_t& head(const JobBlocks& job, std::uint32_t group) const {
        return holding(job, 1 + 2 * group);
    }
    [[nodiscard]] WT_HD std::uint32_t& tail(const JobBlocks& job, std::uint32_t group) const {
        return holding(job, 2 + 2 * group);
    }
    [[nodiscard]] WT_HD std::uint32_t& holding(const JobBlocks& job, std::uint32_t i) const {
        return m_holdings[std::size_t{job.list} * (1 + 2 * m_groups) + i];
    }
    /// The oldest block that holds what a block of a chain does. Requires that there is one.
    [[nodiscard]] WT_HD std::uint32_t oldest(const BlockChain& chain, std::uint32_t i,
                                             std::uint32_t group) const {
        return m_slots[slot_of(chain.owner(i), chain.place(i), group)];
    }

    /// Whether a block of a chain is cached in the groups from `first` to before `end`: how many of these
    /// copies somebody holds, or `none`.
    [[nodiscard]] WT_HD std::uint32_t held_copies(const BlockChain& chain, std::uint32_t i,
                                                  std::uint32_t first, std::uint32_t end) const {
        const std::uint32_t owner = chain.owner(i), place = chain.place(i);
        std::uint32_t held = 0;
        for (std::uint32_t g = first; g < end; ++g) {
            const std::uint32_t index = m_slots[slot_of(owner, place, g)];
            if (index == none) return none;
            held += m_blocks[index].holders > 0 ? 1 : 0;
        }
        return held;
    }
    [[nodiscard]] WT_HD std::uint32_t length_in_windows(const BlockChain& chain, std::uint32_t most) const {
        if (m_groups == m_full) return most;
        std::uint32_t run = 0;
        for (std::uint32_t i = most; i-- > 0;) {
            run = held_copies(chain, i, m_full, m_groups) != none ? run + 1 : 0;
            if (run > 0 && run >= m_seen) return i + run;
        }
        return run;
    }

    [[nodiscard]] WT_HD std::uint32_t home_of(std::uint32_t owner, std::uint32_t place,
                                              std::uint32_t group) const {
        const std::uint64_t key = (std::uint64_t{owner} << 32 | place) + group * 0x2545f4914f6cdd1du;
        return static_cast<std::uint32_t>((key * 0x9e3779b97f4a7c15u) >> 32) & (m_slot_count - 1);
    }
    /// Where the oldest block with this content is found, or would be.
    [[nodiscard]] WT_HD std::uint32_t slot_of(std::uint32_t owner, std::uint32_t place,
                                              std::uint32_t group) const {
        std::uint32_t at = home_of(owner, place, group);
        for (; m_slots[at] != none; at = (at + 1) & (m_slot_count - 1)) {
            const Block& block = m_blocks[m_slots[at]];
            if (block.owner == owner && block.place == place && block.group == group) break;
        }
        return at;
    }
    WT_HD void enter(std::uint32_t index, std::uint32_t owner, std::uint32_t place, std::uint32_t group) {
        const std::uint32_t at = slot_of(owner, place, group);
        Block& block = m_blocks[index];
        block.owner = owner;
        block.place = place;
        block.group = group;
        if (m_slots[at] == none) {
            m_slots[at] = block.older = block.younger = index;
            return;
        }
        Block& first = m_blocks[m_slots[at]];
        block.younger = m_slots[at];
        block.older = first.older;
        m_blocks[first.older].younger = index;
        first.older = index;
    }
    /// A block holds nothing any more; the next older copy of its content is found from now on.
    WT_HD void forget(std::uint32_t index) {
        Block& block = m_blocks[index];
        const std::uint32_t at = slot_of(block.owner, block.place, block.group);
        if (block.younger != index) {
            if (m_slots[at] == index) m_slots[at] = block.younger;
            m_blocks[block.older].younger = block.younger;
            m_blocks[block.younger].older = block.older;
        } else {
            close_gap(at);
        }
        block.group = none;
    }
    /// Linear probing without tombstones (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
    WT_HD void close_gap(std::uint32_t hole) {
        const std::uint32_t mask = m_slot_count - 1;
        for (std::uint32_t next = (hole + 1) & mask; m_slots[next] != none; next = (next + 1) & mask) {
            const Block& block = m_blocks[m_slots[next]];
            if (((next - home_of(block.owner, block.place, block.group)) & mask) < ((next - hole) & mask))
                continue;
            m_slots[hole] = m_slots[next];
            hole = next;
        }
        m_slots[hole] = none;
    }

    /// The front of the free list; blocks that were never used are in front of all others.
    [[nodiscard]] WT_HD std::uint32_t pop() {
        const std::uint32_t index = m_fresh < m_total ? m_fresh : m_first;
        if (m_fresh < m_total) {
            ++m_fresh;
        } else {
            unlink(index);
            if (m_blocks[index].group != none) forget(index);
        }
        m_blocks[index].group = none;
        m_blocks[index].holders = 1;
        --m_free;
        return index;
    }
    WT_HD void let_go(std::uint32_t index) {
        Block& block = m_blocks[index];
        if (--block.holders > 0) return;
        block.next = none;
        block.previous = m_last;
        if (m_last != none)
            m_blocks[m_last].next = index;
        else
            m_first = index;
        m_last = index;
        ++m_free;
    }
    WT_HD void unlink(std::uint32_t index) {
        const Block& block = m_blocks[index];
        if (block.previous != none)
            m_blocks[block.previous].next = block.next;
        else
            m_first = block.next;
        if (block.next != none)
            m_blocks[block.next].previous = block.previous;
        else
            m_last = block.previous;
    }

    ArenaArray<Block, Layout> m_blocks;
    ArenaArray<std::uint32_t, Layout> m_slots;     ///< open addressing: the oldest block with a content
    ArenaArray<std::uint32_t, Layout> m_holdings;  ///< [sequence][found, and first and last of each group]
    ArenaArray<std::uint32_t, Layout> m_free_holdings;  ///< those that nobody has
    std::uint32_t m_jobs = 0, m_holdings_left = 0, m_slot_count = 0;
    std::uint32_t m_full = 0, m_groups = 0;       ///< groups: of full attention, which come first, and all
    std::uint32_t m_seen = 0;                     ///< blocks that a window reaches back from a block's border
    std::uint32_t m_total = 0, m_fresh = 0;       ///< blocks; those from here on were never used
    std::uint32_t m_numbers = 0;                  ///< sequences that were admitted
    std::uint32_t m_first = none, m_last = none;  ///< the free list
    std::int64_t m_free = 0;
};

}  // namespace windtunnel
