// SPDX-License-Identifier: Apache-2.0
#include "preflight/module_file.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/text.h"
#include "base/unique_fd.h"
#include "kernel/debug_info.h"
#include "kernel/host.h"

namespace disarmd {

namespace {

constexpr std::size_t chunk_size = std::size_t{256} << 10;
constexpr std::uint64_t decoder_memory = std::uint64_t{256} << 20;

enum class Packing { none, xz, zstd, gzip };

Packing packing_of(std::string_view content) {
    using namespace std::string_view_literals;
    if (content.starts_with("\xfd"
                            "7zXZ\0"sv))
        return Packing::xz;
    if (content.starts_with("\x28\xb5\x2f\xfd"sv))
        return Packing::zstd;
    if (content.starts_with("\x1f\x8b"sv))
        return Packing::gzip;
    return Packing::none;
}

// What is written to it stays below a limit.
class Sink {
public:
    explicit Sink(std::size_t limit) : limit_(limit) {}

    [[nodiscard]] bool take(const char* data, std::size_t size) {
        if (size > limit_ - content_.size())
            return false;
        content_.append(data, size);
        return true;
    }
    std::string content() && { return std::move(content_); }

private:
    std::size_t limit_;
    std::string content_;
};

// Each returns nothing when all went well, else what did not.
using Failure = std::optional<std::string>;
constexpr const char* too_large = "too large";
constexpr const char* truncated = "it is truncated";
constexpr const char* damaged = "it is damaged";

unsigned char* bytes_of(char* data) {
    return reinterpret_cast<unsigned char*>(data);
}

const unsigned char* bytes_of(std::string_view data) {
    return reinterpret_cast<const unsigned char*>(data.data());
}

Failure unpack_xz(std::string_view packed, Sink& sink) {
    lzma_stream stream = LZMA_STREAM_INIT;
    const auto end = [](lzma_stream* what) { ::lzma_end(what); };
    const std::unique_ptr<lzma_stream, decltype(end)> ended(&stream, end);
    if (::lzma_stream_decoder(&stream, decoder_memory, LZMA_CONCATENATED) != LZMA_OK)
        return "there is no memory for it";
    std::string chunk(chunk_size, '\0');
    stream.next_in = bytes_of(packed);
    stream.avail_in = packed.size();
    for (;;) {
        stream.next_out = bytes_of(chunk.data());
        stream.avail_out = chunk.size();
        const auto status = ::lzma_code(&stream, LZMA_FINISH);
        if (!sink.take(chunk.data(), chunk.size() - stream.avail_out))
            return too_large;
        if (status == LZMA_STREAM_END)
            return std::nullopt;
        if (status == LZMA_BUF_ERROR)
            return truncated;
        if (status != LZMA_OK)
            return damaged;
    }
}

Failure unpack_zstd(std::string_view packed, Sink& sink) {
    const std::unique_ptr<ZSTD_DStream, decltype(&::ZSTD_freeDStream)> stream(::ZSTD_createDStream(),
                                                                              ::ZSTD_freeDStream);
    if (!stream || ::ZSTD_isError(::ZSTD_initDStream(stream.get())) != 0)
        return "there is no memory for it";
    std::string chunk(chunk_size, '\0');
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    std::size_t wanted = 1;
    for (;;) {
        ZSTD_outBuffer out{chunk.data(), chunk.size(), 0};
        wanted = ::ZSTD_decompressStream(stream.get(), &out, &in);
        if (::ZSTD_isError(wanted) != 0)
            return damaged;
        if (!sink.take(chunk.data(), out.pos))
            return too_large;
        if (in.pos == in.size && wanted == 0)
            return std::nullopt;
        // A decoder that has filled its output may have more of it, whatever is left of the input.
        if (in.pos == in.size && out.pos < out.size)
            return truncated;
    }
}

Failure unpack_gzip(std::string_view packed, Sink& sink) {
    z_stream stream{};
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (::inflateInit2(&stream, gzip_only) != Z_OK)
        return "there is no memory for it";
    const auto end = [](z_stream* what) { ::inflateEnd(what); };
    const std::unique_ptr<z_stream, decltype(end)> ended(&stream, end);
    std::string chunk(chunk_size, '\0');
    stream.next_in = const_cast<unsigned char*>(bytes_of(packed)); // NOLINT: zlib's older interface
    stream.avail_in = static_cast<unsigned int>(packed.size());    // below the limit
    for (;;) {
        stream.next_out = bytes_of(chunk.data());
        stream.avail_out = static_cast<unsigned int>(chunk.size());
        const int status = ::inflate(&stream, Z_NO_FLUSH);
        if (!sink.take(chunk.data(), chunk.size() - stream.avail_out))
            return too_large;
        if (status == Z_STREAM_END)
            return std::nullopt;
        if (status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && stream.avail_out != 0))
            return truncated;
        if (status != Z_OK)
            return damaged;
    }
}

Error no_module(int code, const std::string& path, std::string_view why) {
    return {code, fmt::format("{} can't be read: {}", printable(path), why)};
}

Error no_larger(const std::string& path, std::size_t limit) {
    return {EFBIG, fmt::format("{} is larger than {} MiB, which no module is", printable(path), limit >> 20)};
}

Result<std::string> content_of(const std::string& path, std::size_t limit) {
    // Nothing is waited for: what is named may be a pipe.
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
        return fail(Error::from_errno(fmt::format("opening {}", printable(path))));
    if (!S_ISREG(status.st_mode))
        return fail(no_module(EINVAL, path, "it is no file"));
    Sink sink(limit);
    std::string chunk(chunk_size, '\0');
    for (;;) {
        const auto count = ::read(file.get(), chunk.data(), chunk.size());
        if (count < 0)
            return fail(Error::from_errno(fmt::format("reading {}", printable(path))));
        if (count == 0)
            return std::move(sink).content();
        if (!sink.take(chunk.data(), static_cast<std::size_t>(count)))
            return fail(no_larger(path, limit));
    }
}

} // namespace

Result<std::string> read_module_file(const std::string& path, std::size_t limit) {
    auto content = content_of(path, limit);
    if (!content)
        return content;
    const auto packing = packing_of(*content);
    if (packing == Packing::none)
        return content;
    Sink sink(limit);
    const auto failure = packing == Packing::xz     ? unpack_xz(*content, sink)
                         : packing == Packing::zstd ? unpack_zstd(*content, sink)
                                                    : unpack_gzip(*content, sink);
    if (failure == too_large)
        return fail(no_larger(path, limit));
    if (failure)
        return fail(no_module(ENOEXEC, path, *failure));
    return std::move(sink).content();
}

Result<std::string> find_module_file(const std::string& file_or_module) {
    const auto ends = std::to_array<std::string_view>({".ko", ".ko.xz", ".ko.zst", ".ko.gz"});
    if (file_or_module.find('/') != std::string::npos ||
        std::ranges::any_of(ends, [&](auto end) { return file_or_module.ends_with(end); }))
        return file_or_module;
    std::string name = file_or_module;
    std::ranges::replace(name, '-', '_');
    const auto release = read_host().kernel;
    if (auto found = installed_module(name, release))
        return *found;
    return fail(
        {ENOENT, fmt::format("there is no module {} for Linux {} under /lib/modules; a file's name has a "
                             "'/' in it or ends in .ko",
                             printable(file_or_module), printable(release))});
}

} // namespace disarmd
