// SPDX-License-Identifier: Apache-2.0
#include "preflight/elf_image.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>

namespace disarmd {

namespace {

constexpr std::size_t longest_name = 511; // KSYM_NAME_LEN - 1
constexpr std::size_t most_sections = 0x10000;

struct EndElf {
    void operator()(Elf* elf) const { ::elf_end(elf); }
};

Error no_module(std::string_view why) {
    return {ENOEXEC, std::string(why)};
}

std::string_view name_at(std::string_view strings, std::uint64_t offset) {
    if (offset >= strings.size())
        return {};
    const auto rest = strings.substr(offset, longest_name);
    return rest.substr(0, rest.find('\0'));
}

// The entries of a table, whatever its alignment in the file.
template <typename Entry>
std::vector<Entry> entries_of(std::string_view bytes) {
    std::vector<Entry> entries(bytes.size() / sizeof(Entry));
    if (!entries.empty())
        std::memcpy(entries.data(), bytes.data(), entries.size() * sizeof(Entry));
    return entries;
}

std::string machine_name(unsigned int machine) {
    switch (machine) {
    case EM_386:
        return "i386";
    case EM_AARCH64:
        return "arm64";
    case EM_ARM:
        return "arm";
    case EM_PPC64:
        return "ppc64";
    case EM_RISCV:
        return "riscv";
    case EM_S390:
        return "s390";
    default:
        return fmt::format("machine {}", machine);
    }
}

Result<void> check_header(const GElf_Ehdr& header) {
    if (header.e_machine != EM_X86_64)
        return fail(no_module(
            fmt::format("it is for {}: only x86-64 code can be read", machine_name(header.e_machine))));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return fail(no_module("it is no 64-bit little-endian ELF file"));
    if (header.e_type != ET_REL)
        return fail(no_module("it is no module, but a linked ELF file"));
    return {};
}

bool is_relative(std::uint32_t type) {
    return type == R_X86_64_PC32 || type == R_X86_64_PLT32 || type == R_X86_64_PC64 ||
           type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX || type == R_X86_64_REX_GOTPCRELX;
}

bool is_address(std::uint32_t type) {
    return is_relative(type) || type == R_X86_64_64 || type == R_X86_64_32 || type == R_X86_64_32S;
}

} // namespace

Result<ElfImage> ElfImage::parse(std::string content) {
    ElfImage image;
    image.content_ = std::make_unique<const std::string>(std::move(content));
    const std::string& file = *image.content_;
    if (!file.starts_with("\x7f"
                          "ELF"))
        return fail(no_module("it is no ELF file"));
    if (::elf_version(EV_CURRENT) == EV_NONE)
        return fail(no_module("libelf is too old"));
    // libelf does not write into what it is given to read.
    const std::unique_ptr<Elf, EndElf> elf(::elf_memory(
        const_cast<char*>(file.data()), file.size())); // NOLINT(cppcoreguidelines-pro-type-const-cast)
    GElf_Ehdr header{};
    if (!elf || ::elf_kind(elf.get()) != ELF_K_ELF || ::gelf_getehdr(elf.get(), &header) == nullptr)
        return fail(no_module("its ELF header is truncated or damaged"));
    if (const auto checked = check_header(header); !checked)
        return fail(checked.error());
    std::size_t count = 0;
    std::size_t names = 0;
    if (::elf_getshdrnum(elf.get(), &count) != 0 || ::elf_getshdrstrndx(elf.get(), &names) != 0 ||
        count == 0 || count > most_sections || names >= count)
        return fail(no_module("its section headers are truncated or damaged"));

    std::vector<GElf_Shdr> headers(count);
    std::vector<std::string_view> bytes(count);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        Elf_Scn* const section = ::elf_getscn(elf.get(), i);
        auto& at = headers[i];
        if (section == nullptr || ::gelf_getshdr(section, &at) == nullptr)
            return fail(no_module("its section headers are truncated or damaged"));
        if (at.sh_type == SHT_NOBITS || at.sh_type == SHT_NULL)
            continue;
        if (at.sh_offset > file.size() || at.sh_size > file.size() - at.sh_offset)
            return fail(no_module("it is truncated: a section reaches beyond its end"));
        bytes[i] = std::string_view(file).substr(at.sh_offset, at.sh_size);
        // Otherwise a small file could be made to fill the memory.
        if (at.sh_size > file.size() - sum)
            return fail(no_module("it is damaged: its sections overlap"));
        sum += at.sh_size;
    }

    image.sections_.resize(count);
    int symbol_table = -1;
    for (std::size_t i = 0; i < count; ++i) {
        auto& section = image.sections_[i];
        section.name = name_at(bytes[names], headers[i].sh_name);
        section.code = (headers[i].sh_flags & SHF_EXECINSTR) != 0;
        section.loaded = (headers[i].sh_flags & SHF_ALLOC) != 0;
        section.bytes = bytes[i];
        if (headers[i].sh_type == SHT_SYMTAB && symbol_table < 0)
            symbol_table = static_cast<int>(i);
    }
    if (image.modinfo("vermagic").empty() && image.modinfo("name").empty())
        return fail(no_module("it is no module: its .modinfo does not say which"));
    if (symbol_table < 0)
        return fail(no_module("it has no symbol table"));

    const auto table = static_cast<std::size_t>(symbol_table);
    const auto strings = headers[table].sh_link < count ? bytes[headers[table].sh_link] : std::string_view{};
    for (const auto& entry : entries_of<Elf64_Sym>(bytes[table])) {
        ElfSymbol symbol;
        symbol.name = name_at(strings, entry.st_name);
        symbol.section = entry.st_shndx < count && entry.st_shndx != SHN_UNDEF ? entry.st_shndx : -1;
        symbol.offset = entry.st_value;
        symbol.size = entry.st_size;
        const auto type = ELF64_ST_TYPE(entry.st_info);
        symbol.function = type == STT_FUNC;
        symbol.object = type == STT_OBJECT;
        image.symbols_.push_back(symbol);
    }

    for (std::size_t i = 0; i < count; ++i) {
        const auto& at = headers[i];
        if (at.sh_type != SHT_RELA || at.sh_info >= count || at.sh_link != table ||
            !image.sections_[at.sh_info].loaded)
            continue;
        auto& relocations = image.sections_[at.sh_info].relocations;
        for (const auto& entry : entries_of<Elf64_Rela>(bytes[i])) {
            const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(entry.r_info));
            const auto index = ELF64_R_SYM(entry.r_info);
            if (!is_address(type) || index >= image.symbols_.size())
                continue;
            const auto& symbol = image.symbols_[index];
            Relocation relocation;
            relocation.offset = entry.r_offset;
            relocation.relative = is_relative(type);
            relocation.target.section = symbol.section;
            // Wraps around, as hostile values may. Code reaches no further than that, and what is computed
            // with it later can't overflow.
            relocation.target.offset = static_cast<std::int64_t>((symbol.section < 0 ? 0 : symbol.offset) +
                                                                 static_cast<std::uint64_t>(entry.r_addend));
            if (!std::in_range<std::int32_t>(relocation.target.offset))
                continue;
            if (symbol.section < 0)
                relocation.target.external = symbol.name;
            relocations.push_back(relocation);
        }
    }
    for (auto& section : image.sections_)
        std::ranges::stable_sort(section.relocations, {}, &Relocation::offset);
    return image;
}

std::string_view ElfImage::modinfo(std::string_view key) const {
    for (const auto& section : sections_) {
        if (section.name != ".modinfo")
            continue;
        for (auto rest = section.bytes; !rest.empty();) {
            const auto entry = rest.substr(0, rest.find('\0'));
            if (entry.size() > key.size() && entry.starts_with(key) && entry[key.size()] == '=')
                return entry.substr(key.size() + 1, longest_name);
            rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
        }
    }
    return {};
}

std::span<const Relocation> ElfImage::relocations(int section, std::uint64_t begin, std::uint64_t end) const {
    const auto& all = sections_[static_cast<std::size_t>(section)].relocations;
    const auto first = std::ranges::lower_bound(all, begin, {}, &Relocation::offset);
    const auto last = std::ranges::lower_bound(first, all.end(), end, {}, &Relocation::offset);
    return {first, last};
}

} // namespace disarmd
