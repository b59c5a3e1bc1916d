#include "scenarios/documents/byte_source.hpp"

#include "models/expects.hpp"

#include <zlib.h>
#include <zstd.h>
#include <algorithm>
#include <vector>

namespace windtunnel {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{1} << 18;
enum class Encoding { plain, gzip, zstd };

bool starts_with(std::string_view bytes, std::string_view magic) {
    return bytes.substr(0, magic.size()) == magic;
}

Encoding recognise(std::string_view first) {
    using namespace std::string_view_literals;
    if (starts_with(first, "\x1f\x8b"sv)) return Encoding::gzip;          // RFC 1952, section 2.3.1
    if (starts_with(first, "\x28\xb5\x2f\xfd"sv)) return Encoding::zstd;  // RFC 8878, section 3.1.1
    return Encoding::plain;
}

/// Spreadsheets save "Unicode text" so: a byte order mark, or every other byte of the first letters nothing.
bool is_utf16(std::string_view first) {
    using namespace std::string_view_literals;
    if (starts_with(first, "\xff\xfe"sv) || starts_with(first, "\xfe\xff"sv)) return true;
    return first.size() >= 4 && ((first[0] == '\0' && first[2] == '\0' && first[1] != '\0' && first[3] != '\0') ||
                                 (first[1] == '\0' && first[3] == '\0' && first[0] != '\0' && first[2] != '\0'));
}

}  // namespace

struct ByteSource::State {
    std::istream& in;
    Encoding encoding = Encoding::plain;
    std::vector<char> chunk = std::vector<char>(chunk_bytes);
    std::size_t begin = 0, end = 0;  // of what is left of the chunk
    bool member_open = false;        // inside a gzip member or a zstd frame
    std::string error;
    z_stream zlib{};
    bool zlib_ready = false;
    std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> zstd{nullptr, &ZSTD_freeDStream};

    explicit State(std::istream& stream) : in(stream) {
        refill();
        encoding = recognise({chunk.data(), end});
        if (encoding == Encoding::gzip) {
            zlib_ready = inflateInit2(&zlib, 15 + 16) == Z_OK;  // 16: gzip wrapping only
            WT_EXPECTS(zlib_ready);
        } else if (encoding == Encoding::plain && is_utf16({chunk.data(), end})) {
            error = "is UTF-16 text, allowed: UTF-8 (spreadsheets call it \"CSV UTF-8\")";
        } else if (encoding == Encoding::zstd) {
            zstd.reset(ZSTD_createDStream());
            WT_EXPECTS(zstd != nullptr);
        }
    }
    ~State() {
        if (zlib_ready) inflateEnd(&zlib);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    bool refill() {
        begin = end = 0;
        if (!in.good()) return false;
        in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
        end = static_cast<std::size_t>(in.gcount());
        if (in.bad()) error = "reading failed";
        return end > 0;
    }

    std::size_t read_plain(char* into, std::size_t capacity) {
        if (begin == end) {  // straight into the caller's buffer, without a second copy
            if (!in.good()) return 0;
            in.read(into, static_cast<std::streamsize>(capacity));
            if (in.bad()) error = "reading failed";
            return static_cast<std::size_t>(in.gcount());
        }
        const std::size_t n = std::min(capacity, end - begin);
        std::copy_n(chunk.data() + begin, n, into);
        begin += n;
        return n;
    }

    std::size_t read_gzip(char* into, std::size_t capacity) {
        zlib.next_out = reinterpret_cast<Bytef*>(into);
        zlib.avail_out = static_cast<uInt>(std::min<std::size_t>(capacity, 1u << 30));
        const uInt room = zlib.avail_out;
        while (zlib.avail_out == room) {
            if (begin == end && !refill()) {
                if (member_open && error.empty()) error = "gzip data ends in the middle (truncated file)";
                return 0;
            }
            member_open = true;
            zlib.next_in = reinterpret_cast<Bytef*>(chunk.data() + begin);
            zlib.avail_in = static_cast<uInt>(end - begin);
            const int status = inflate(&zlib, Z_NO_FLUSH);
            begin = end - zlib.avail_in;
            if (status == Z_STREAM_END) {
                member_open = false;
                inflateReset(&zlib);
            } else if (status != Z_OK && status != Z_BUF_ERROR) {
                error = std::string("gzip data is damaged") + (zlib.msg ? ": " + std::string(zlib.msg) : "");
                return 0;
            }
        }
        return room - zlib.avail_out;
    }

    std::size_t read_zstd(char* into, std::size_t capacity) {
        ZSTD_outBuffer output{into, capacity, 0};
        while (output.pos == 0) {
            if (begin == end && !refill()) {
                if (member_open && error.empty()) error = "zstd data ends in the middle (truncated file)";
                return 0;
            }
            ZSTD_inBuffer input{chunk.data() + begin, end - begin, 0};
            const std::size_t status = ZSTD_decompressStream(zstd.get(), &output, &input);
            begin += input.pos;
            if (ZSTD_isError(status)) {
                error = std::string("zstd data is damaged: ") + ZSTD_getErrorName(status);
                return 0;
            }
            member_open = status != 0;
        }
        return output.pos;
    }
};

ByteSource::ByteSource(std::istream& in) : m_state(std::make_unique<State>(in)) {}
ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(char* into, std::size_t capacity) {
    if (!m_state->error.empty() || capacity == 0) return 0;
    switch (m_state->encoding) {
        case Encoding::plain:
            return m_state->read_plain(into, capacity);
        case Encoding::gzip:
            return m_state->read_gzip(into, capacity);
        case Encoding::zstd:
            return m_state->read_zstd(into, capacity);
    }
    return 0;
}

const std::string& ByteSource::error() const { return m_state->error; }

std::string_view ByteSource::encoding() const {
    switch (m_state->encoding) {
        case Encoding::gzip:
            return "gzip";
        case Encoding::zstd:
            return "zstd";
        case Encoding::plain:
            break;
    }
    return "plain";
}

struct ByteSink::State {
    std::ostream& out;
    Encoding encoding;
    std::vector<char> chunk = std::vector<char>(chunk_bytes);
    z_stream zlib{};
    bool zlib_ready = false;
    std::unique_ptr<ZSTD_CStream, decltype(&ZSTD_freeCStream)> zstd{nullptr, &ZSTD_freeCStream};

    State(std::ostream& stream, Encoding kind) : out(stream), encoding(kind) {
        if (encoding == Encoding::gzip) {
            zlib_ready = deflateInit2(&zlib, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
            WT_EXPECTS(zlib_ready);
        } else if (encoding == Encoding::zstd) {
            zstd.reset(ZSTD_createCStream());
            WT_EXPECTS(zstd != nullptr);
            ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_checksumFlag, 1);
        }
    }
    ~State() {
        if (zlib_ready) deflateEnd(&zlib);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void write_gzip(std::string_view bytes, int flush) {
        zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        zlib.avail_in = static_cast<uInt>(bytes.size());
        do {
            zlib.next_out = reinterpret_cast<Bytef*>(chunk.data());
            zlib.avail_out = static_cast<uInt>(chunk.size());
            deflate(&zlib, flush);
            out.write(chunk.data(), static_cast<std::streamsize>(chunk.size() - zlib.avail_out));
        } while (zlib.avail_out == 0);
    }
    void write_zstd(std::string_view bytes, ZSTD_EndDirective directive) {
        ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
        std::size_t left = 0;
        do {
            ZSTD_outBuffer output{chunk.data(), chunk.size(), 0};
            left = ZSTD_compressStream2(zstd.get(), &output, &input, directive);
            WT_EXPECTS(!ZSTD_isError(left));
            out.write(chunk.data(), static_cast<std::streamsize>(output.pos));
        } while (directive == ZSTD_e_end ? left != 0 : input.pos < input.size);
    }
};

ByteSink::ByteSink(std::ostream& out, std::string_view encoding)
    : m_state(std::make_unique<State>(out, encoding == "gzip"   ? Encoding::gzip
                                           : encoding == "zstd" ? Encoding::zstd
                                                                : Encoding::plain)) {}
ByteSink::~ByteSink() = default;

void ByteSink::write(std::string_view bytes) {
    if (bytes.empty()) return;
    switch (m_state->encoding) {
        case Encoding::plain:
            m_state->out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
            break;
        case Encoding::gzip:
            m_state->write_gzip(bytes, Z_NO_FLUSH);
            break;
        case Encoding::zstd:
            m_state->write_zstd(bytes, ZSTD_e_continue);
            break;
    }
}

bool ByteSink::finish() {
    if (m_state->encoding == Encoding::gzip) m_state->write_gzip({}, Z_FINISH);
    if (m_state->encoding == Encoding::zstd) m_state->write_zstd({}, ZSTD_e_end);
    m_state->out.flush();
    return m_state->out.good();
}

}  // namespace windtunnel
