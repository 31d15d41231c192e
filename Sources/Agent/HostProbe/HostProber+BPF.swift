// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem

extension HostProber {
    /// The eBPF programs of the host. `nil` when the kernel does not show them, and `unseen` says why.
    func bpfPrograms(_ unseen: inout [String]) -> [BPFProgram]? {
        do throws(HostProbeError) {
            return try BPFInventory.read(procroot: procroot).programs
        } catch {
            unseen.append("eBPF programs: \(error)")
            return nil
        }
    }

    /// At most so many paths are told; a node with Cilium has some hundred, one for each endpoint among them.
    static let mostPins = 1024
    private static let deepestPin = 8

    /// What is pinned in the host's bpffs, by name alone: nothing is opened, which would need rights over eBPF. `nil` when it is not visible.
    func pins(_ unseen: inout [String]) -> [String]? {
        let root = "\(sysroot)/fs/bpf"
        guard meshgate_is_bpffs(root) == 1 else {
            unseen.append("what is pinned in bpffs: there is none at \(root) that this process can see")
            return nil
        }
        var found: [String] = []
        var problem: Int32?
        var rest = [""]
        while let below = rest.popLast(), found.count <= Self.mostPins {
            let names = Self.entries(root + "/" + below, &problem)
            for (name, isDirectory) in names.sorted(by: { $0.name < $1.name }) {
                let path = below.isEmpty ? name : "\(below)/\(name)"
                if !isDirectory {
                    found.append(path)
                } else if path.split(separator: "/").count < Self.deepestPin {
                    rest.append(path)
                }
            }
        }
        if let problem {
            unseen.append("what is pinned in bpffs: \(root) cannot be listed: \(words(problem))")
            return nil
        }
        if found.count > Self.mostPins { unseen.append("what is pinned in bpffs beyond the first \(Self.mostPins)") }
        return Array(found.sorted().prefix(Self.mostPins))
    }

    /// A directory that goes while it is looked at has nothing in it any more. Links of bpffs (iproute2 makes some) lead to what is listed anyway.
    private static func entries(_ path: String, _ problem: inout Int32?) -> [(name: String, isDirectory: Bool)] {
        guard let directory = opendir(path) else {
            if errno != ENOENT { problem = errno }
            return []
        }
        defer { closedir(directory) }
        var entries: [(name: String, isDirectory: Bool)] = []
        while let entry = readdir(directory), entries.count <= mostPins {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            let kind = Int32(entry.pointee.d_type)
            guard name != ".", name != "..", kind == Int32(DT_DIR) || kind == Int32(DT_REG) else { continue }
            entries.append((name, kind == Int32(DT_DIR)))
        }
        return entries
    }
}
