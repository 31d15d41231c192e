// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem

extension HostProber {
    /// Kernel parameters that Cilium and kubelets depend on or fight over. What is not there on this kernel is left out.
    static let parameters = [
        "net.core.bpf_jit_enable", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter", "net.ipv4.ip_forward",
        "net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.all.forwarding", "net.netfilter.nf_conntrack_max",
        "kernel.unprivileged_bpf_disabled", "fs.inotify.max_user_instances", "fs.inotify.max_user_watches", "vm.max_map_count",
    ]

    private static let processorLimit = 4 << 20

    /// What could not be seen is said and is no failure: most of it needs no privilege, and each piece stands alone.
    func platformFact(_ options: [String: KernelFact.Option] = [:]) throws -> PlatformFact {
        let processors = Processors(try bytes("the processors", "\(procroot)/cpuinfo", limit: Self.processorLimit) ?? [])
        var unseen: [String] = []
        let cniFiles = self.cniFiles(&unseen)
        let chains = serviceChains(options, &unseen)
        let programs = bpfPrograms(&unseen)
        let pins = self.pins(&unseen)
        return PlatformFact(
            memoryInBytes: try memory(&unseen), processors: processors.count, processorModel: processors.model,
            processorLevel: processors.level,
            parameters: parameters(), cniFiles: cniFiles, serviceChains: chains, programs: programs, pins: pins, unseen: unseen)
    }

    private func memory(_ unseen: inout [String]) throws -> UInt64? {
        let path = "\(procroot)/meminfo"
        let text = String(decoding: try bytes("the memory", path, limit: 1 << 16) ?? [], as: UTF8.self)
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "MemTotal:", words[2] == "kB", let count = UInt64(words[1]), count < 1 << 50 else {
                continue
            }
            return count << 10
        }
        unseen.append("the memory: \(path) does not say MemTotal in kB")
        return nil
    }

    private func parameters() -> [String: String] {
        var found: [String: String] = [:]
        for name in Self.parameters {
            let path = "\(procroot)/sys/\(name.split(separator: ".").joined(separator: "/"))"
            // Not there, or not for us to read: then nothing is said about it.
            guard let bytes = try? LinuxFileStore().read(path, limit: 128) else { continue }
            found[name] = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        return found
    }

    /// The kubelet takes the first of these files, whoever wrote it.
    private func cniFiles(_ unseen: inout [String]) -> [String]? {
        let path = "\(etcroot)/cni/net.d"
        guard let directory = opendir(path) else {
            let problem = errno
            // No directory means that nothing was ever configured there, if this /etc is the host's: a Talos extension has one of its own.
            if problem == ENOENT, access("\(etcroot)/machine-id", F_OK) == 0 { return [] }
            unseen.append("files in \(path): \(words(problem)); the host's directory has to be visible and readable to the agent")
            return nil
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory), names.count < 256 {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(".conf") || name.hasSuffix(".conflist") || name.hasSuffix(".json") { names.append(name) }
        }
        return names.sorted()
    }
}

/// What /proc/cpuinfo says (proc(5)): a paragraph for each processor.
struct Processors {
    let count: Int
    let model: String?
    /// The level that all of them reach.
    let level: Int?

    /// The flags of each level above the first, under the kernel's names (x86-64 psABI, table 3.1).
    private static let levels: [[String]] = [
        ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"],
        ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"],
        ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
    ]

    init(_ text: [UInt8]) {
        var count = 0
        var model: String?
        var level: Int?
        for line in text.split(separator: UInt8(ascii: "\n")) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let key = String(decoding: line[..<colon], as: UTF8.self).split(whereSeparator: \.isWhitespace).joined(separator: " ")
            let value = line[line.index(after: colon)...].drop { $0 == UInt8(ascii: " ") }
            switch key {
            case "processor": count += 1
            case "model name": model = model ?? String(String(decoding: value, as: UTF8.self).prefix(128))
            case "flags":
                let flags = Set(value.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) })
                level = min(level ?? 4, Self.level(flags))
            default: break
            }
        }
        (self.count, self.model, self.level) = (count, model, level)
    }

    private static func level(_ flags: Set<String>) -> Int {
        1 + levels.prefix { $0.allSatisfy(flags.contains) }.count
    }
}
