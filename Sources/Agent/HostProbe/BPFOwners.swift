// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem

/// Who keeps eBPF programs open, found as `lsof` finds it: by the open files of every process that we may look at.
struct BPFOwners {
    let procroot: String

    /// Of every process: the programs that it has open itself or through a link (proc(5), `fdinfo`). Bounded, because anybody may open files.
    func openings(_ programOfLink: [Int: Int]) -> [(BPFProgram.Owner, program: Int)] {
        var found: [(BPFProgram.Owner, program: Int)] = []
        for pid in Self.names(in: procroot, most: 8192).compactMap({ Int($0) }).sorted() {
            var owner: BPFProgram.Owner?
            for file in Self.names(in: "\(procroot)/\(pid)/fd", most: 4096) {
                // Kernels have called links both ways.
                guard let kind = Self.target(of: "\(procroot)/\(pid)/fd/\(file)"),
                    ["anon_inode:bpf-prog", "anon_inode:bpf_link", "anon_inode:bpf-link"].contains(kind),
                    let id = program(behind: "\(procroot)/\(pid)/fdinfo/\(file)", programOfLink)
                else { continue }
                let named = owner ?? BPFProgram.Owner(pid: pid, command: command(of: pid))
                owner = named
                found.append((named, id))
            }
        }
        return found
    }

    private func program(behind path: String, _ programOfLink: [Int: Int]) -> Int? {
        guard let bytes = try? LinuxFileStore().read(path, limit: 4096) else { return nil }
        var program: Int?
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count == 2, let number = Int(words[1]) else { continue }
            if words[0] == "prog_id:" { program = number }
            if words[0] == "link_id:" { program = program ?? programOfLink[number] }
        }
        return program
    }

    private func command(of pid: Int) -> String {
        let bytes = (try? LinuxFileStore().read("\(procroot)/\(pid)/comm", limit: 64)) ?? nil
        return bytes.flatMap { String(decoding: $0, as: UTF8.self).split(separator: "\n").first.map(String.init) } ?? "?"
    }

    private static func names(in path: String, most: Int) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory), names.count < most {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.first?.isNumber == true { names.append(name) }
        }
        return names
    }

    private static func target(of path: String) -> String? {
        var target = [CChar](repeating: 0, count: 64)
        let length = readlink(path, &target, target.count)
        guard length > 0 else { return nil }
        return String(decoding: target.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
