// SPDX-License-Identifier: Apache-2.0

/// A place in a file of the tree.
struct Spot: Hashable {
    let file: String
    let place: SourcePlace
}

/// One file of a Terraform module.
struct TerraformFile {
    let path: String
    let hcl: HCLFile

    func spot(_ offset: Int) -> Spot { Spot(file: path, place: hcl.source.place(offset)) }
}

/// A block of a module together with its file.
struct TerraformBlock {
    let file: TerraformFile
    let block: HCLBlock

    var type: String { block.labels.first ?? "" }
    var name: String { block.labels.count > 1 ? block.labels[1] : block.labels.first ?? "" }
    var body: HCLBody { block.body }
    var spot: Spot { file.spot(block.offset) }

    /// As Terraform addresses it: `data.http.x`, `module.east`, `talos_machine_bootstrap.this`.
    var address: String {
        switch block.type {
        case "resource": "\(type).\(name)"
        case "data": "data.\(type).\(name)"
        case "variable": "var.\(name)"
        default: "\(block.type).\(name)"
        }
    }

    /// Everything that the block refers to, at any depth.
    var references: [HCLReference] { body.allAttributes.flatMap(\.value.references) }
}

/// The files of one directory, as Terraform puts them together.
struct TerraformModule {
    let directory: String
    let files: [TerraformFile]
    let blocks: [TerraformBlock]
    let locals: [String: (value: HCLExpression, file: TerraformFile)]
    let byAddress: [String: TerraformBlock]

    init(directory: String, files: [TerraformFile]) {
        self.directory = directory
        self.files = files
        blocks = files.flatMap { file in file.hcl.body.blocks.map { TerraformBlock(file: file, block: $0) } }
        var locals: [String: (value: HCLExpression, file: TerraformFile)] = [:]
        for block in blocks where block.block.type == "locals" {
            for attribute in block.body.attributes { locals[attribute.name] = (attribute.value, block.file) }
        }
        self.locals = locals
        byAddress = Dictionary(blocks.map { ($0.address, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func blocks(_ kind: String, _ type: String? = nil) -> [TerraformBlock] {
        blocks.filter { $0.block.type == kind && (type == nil || $0.type == type) }
    }

    var resources: [TerraformBlock] { blocks("resource") }
    var resourcesAndData: [TerraformBlock] { blocks.filter { $0.block.type == "resource" || $0.block.type == "data" } }
    var variables: [TerraformBlock] { blocks("variable") }
    var calls: [TerraformBlock] { blocks("module") }

    /// The references of an expression with those of the locals that it names, each with its file.
    func references(of value: HCLExpression, in file: TerraformFile) -> [(reference: HCLReference, file: TerraformFile)] {
        var found: [(HCLReference, TerraformFile)] = []
        var open: [(HCLExpression, TerraformFile)] = [(value, file)]
        var seen: Set<String> = []
        while let (expression, file) = open.popLast() {
            for reference in expression.references {
                found.append((reference, file))
                guard reference.root == "local", reference.names.count > 1, seen.insert(reference.names[1]).inserted,
                    let local = locals[reference.names[1]]
                else { continue }
                open.append((local.value, local.file))
            }
        }
        return found
    }

    /// The address of the block that a reference means, whether it is there or not: `module.x`, `data.t.n`, `t.n`.
    static func address(of reference: HCLReference) -> String? {
        let names = reference.names
        switch names[0] {
        case "var", "local", "each", "count", "path", "terraform", "self": return nil
        case "module": return names.count > 1 ? "module.\(names[1])" : nil
        case "data": return names.count > 2 ? "data.\(names[1]).\(names[2])" : nil
        default: return names.count > 1 ? "\(names[0]).\(names[1])" : nil
        }
    }

    /// Everything on which a block depends, directly or through others of this module.
    func dependencies(of block: TerraformBlock) -> Set<String> {
        var found: Set<String> = []
        var open = [block]
        while let next = open.popLast() {
            for attribute in next.body.allAttributes {
                for (reference, _) in references(of: attribute.value, in: next.file) {
                    guard let address = Self.address(of: reference), found.insert(address).inserted else { continue }
                    if let further = byAddress[address] { open.append(further) }
                }
            }
        }
        return found
    }
}

/// A YAML text inside of a Terraform file, with the place of its first line.
struct EmbeddedYAML {
    let file: TerraformFile
    let firstLine: Int
    let documents: [YAMLNode]
    /// The top-level block in which it stands.
    let owner: TerraformBlock
    let attribute: String

    func spot(_ place: SourcePlace) -> Spot {
        Spot(file: file.path, place: SourcePlace(line: firstLine + place.line - 1, column: place.column))
    }
}
