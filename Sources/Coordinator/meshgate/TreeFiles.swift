// SPDX-License-Identifier: Apache-2.0

import Glibc
import Linting
import MeshConfig
import MeshSystem
import TreeLinting

/// Reads a tree from disk for the lint: bounded, without following links, and telling what it could not read.
struct TreeFiles {
    static let mostFiles = 20_000
    static let mostBytes = 256 << 20
    static let longestFile = 4 << 20
    static let deepest = 40
    /// What tools put there themselves.
    static let skipped: Set<String> = [".git", ".terraform", ".hg", ".svn", "node_modules", "vendor", ".venv"]

    private let root: String
    private let store = LinuxFileStore()
    private var files: [SourceTree.File] = []
    private var unread: [SourceTree.Unread] = []
    private var paths: Set<String> = []
    private var bytes = 0

    /// Every file beneath a directory that the lint reads.
    static func read(_ directory: String) throws -> SourceTree {
        let root = resolved(absolute(directory))
        var status = stat()
        guard lstat(root, &status) == 0 else { throw Failure(.badInput, "there is no directory \(directory)") }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw Failure(.badInput, "\(directory) is not a directory; --tree wants one") }
        var reading = TreeFiles(root: root)
        try reading.walk()
        return SourceTree(files: reading.files, unread: reading.unread, paths: reading.paths)
    }

    private init(root: String) { self.root = root }

    private mutating func walk() throws {
        var open: [(path: String, depth: Int)] = [("", 0)]
        while let (directory, depth) = open.popLast() {
            let names: [String]
            do {
                names = try store.list(directory.isEmpty ? root : "\(root)/\(directory)") ?? []
            } catch {
                unread.append(SourceTree.Unread(path: directory.isEmpty ? "." : directory, why: "\(error)"))
                continue
            }
            for name in names {
                let path = directory.isEmpty ? name : "\(directory)/\(name)"
                var status = stat()
                guard lstat("\(root)/\(path)", &status) == 0 else { continue }
                switch status.st_mode & S_IFMT {
                case S_IFDIR:
                    guard !Self.skipped.contains(name) else { continue }
                    if depth < Self.deepest {
                        open.append((path, depth + 1))
                    } else {
                        unread.append(SourceTree.Unread(path: path, why: "directories nest more than \(Self.deepest) deep here"))
                    }
                case S_IFREG:
                    guard paths.count < Self.mostFiles else {
                        throw Failure(.badInput, "the tree has more than \(Self.mostFiles) files; lint a part of it")
                    }
                    paths.insert(path)
                    take(path, name, size: Int(status.st_size))
                default:
                    // A link leads to a file that is met on its own way, or out of the tree, where this does not look.
                    paths.insert(path)
                }
            }
        }
    }

    private mutating func take(_ path: String, _ name: String, size: Int) {
        guard isWanted(name) else { return }
        guard size <= Self.longestFile, bytes + size <= Self.mostBytes else {
            let limit = size > Self.longestFile ? "\(Self.longestFile >> 20) MiB for one file" : "\(Self.mostBytes >> 20) MiB for all"
            unread.append(SourceTree.Unread(path: path, why: "it has \(size) bytes, more than \(limit)"))
            return
        }
        do {
            guard let content = try store.read("\(root)/\(path)", limit: Self.longestFile) else { return }
            // A name without an extension says nothing; `#!` does.
            guard name.contains(".") || content.starts(with: "#!".utf8) else { return }
            guard let text = String(validating: content, as: UTF8.self) else {
                unread.append(SourceTree.Unread(path: path, why: "it is not UTF-8"))
                return
            }
            bytes += content.count
            files.append(SourceTree.File(path: path, text: text))
        } catch {
            unread.append(SourceTree.Unread(path: path, why: "\(error)"))
        }
    }

    private func isWanted(_ name: String) -> Bool {
        guard let dot = name.lastIndex(of: ".") else { return true }
        return ["tf", "hcl", "sh", "bash", "md", "markdown", "yaml", "yml", "cfg", "ini", "gitignore"].contains(
            name[name.index(after: dot)...].lowercased())
    }
}

/// A chart as `helm pull` leaves it: a gzipped tar with one directory.
func readChart(_ path: String) throws -> HelmChart {
    guard let packed = try readInput(path, limit: 16 << 20) else { throw Failure(.badInput, "there is no chart archive \(path)") }
    let entries: [TarArchive.Entry]
    do {
        entries = try TarArchive.read(Gzip.decompress(packed, limits: Gzip.Limits(outputBytes: 64 << 20, ratio: 200)))
    } catch {
        throw Failure(.badInput, "\(path) is not a chart archive as `helm pull` leaves it: \(error)")
    }
    var files: [String: String] = [:]
    for entry in entries {
        // The first directory is the chart's own name.
        guard let slash = entry.path.firstIndex(of: "/") else { continue }
        files[String(entry.path[entry.path.index(after: slash)...])] = String(decoding: entry.bytes, as: UTF8.self)
    }
    guard let chart = HelmChart(files: files, yaml: readTreeYAML) else {
        throw Failure(.badInput, "\(path) is not a chart archive: it has no Chart.yaml with name and version")
    }
    return chart
}
