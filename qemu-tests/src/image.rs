//! Builds an initramfs: jamb, programs of Debian's packages with their libraries, kernel modules, files,
//! and the compiled services.

use crate::{
    board::Board,
    debian::{Archive, Packages},
    elf,
    kernel::Kernel,
    keys,
    modules::{Module, dep_file},
    places::Places,
    report::Report,
    run::filter,
    spec::{self, Spec},
    tree::{Node, Tree},
};
use anyhow::{Context as _, Result, bail};
use std::{fs, path::PathBuf, process::Command};

/// Where the database is in the image.
pub const DATABASE: &str = "/etc/jamb/services.db";

/// Every name that jamb answers to.
const JAMB_LINKS: &[(&str, &str)] = &[
    ("/init", "usr/sbin/jamb"),
    ("/sbin/init", "jamb"),
    ("/sbin/reboot", "jamb"),
    ("/sbin/poweroff", "jamb"),
    ("/sbin/halt", "jamb"),
    ("/bin/svc", "../sbin/jamb"),
    ("/bin/ifwait", "../sbin/jamb"),
    ("/bin/output", "../sbin/jamb"),
    ("/bin/notify", "../sbin/jamb"),
];

/// What to build.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The name of its directory below `target/images`; tests that run at once need different ones.
    pub name: String,
    /// The machine.
    pub board: Board,
    /// The folder of service definitions.
    pub services: PathBuf,
    /// The folder whose `image.toml` is used; usually the same.
    pub content: PathBuf,
    /// Whether the services are checked against the image: their programs and users. Tests of what a
    /// machine does without a program turn it off.
    pub is_checked: bool,
}

/// A finished image.
#[derive(Clone, Debug)]
pub struct Image {
    /// For QEMU's `-kernel`.
    pub kernel: PathBuf,
    /// For QEMU's `-initrd`.
    pub initrd: PathBuf,
    /// What is in it, and how large.
    pub report: PathBuf,
}

/// An image being made, before its services are compiled and it is packed.
pub struct Builder<'p> {
    places: &'p Places,
    board: Board,
    kernel: Kernel,
    packages: Packages,
    /// What is in it so far; tests may add and change.
    pub tree: Tree,
}

impl Recipe {
    /// The image of a board with its own services, or with those of another folder. A folder without
    /// an `image.toml` has the content of the board's own.
    #[must_use]
    pub fn new(places: &Places, board: Board, services: Option<PathBuf>) -> Self {
        let own = places.root.join("boards/routers").join(&board.machine.services);
        let services = services.unwrap_or_else(|| own.clone());
        let content = if services.join(spec::FILE).is_file() { services.clone() } else { own };
        Self { name: board.name.clone(), board, services, content, is_checked: true }
    }

    /// Builds it.
    ///
    /// # Errors
    /// Something that it names does not exist, or a service definition is wrong.
    pub fn build(&self, places: &Places) -> Result<Image> {
        let mut builder = self.start(places)?;
        let database = builder.compile(self)?;
        builder.tree.add(DATABASE, Node::Bytes(database), 0o644, "services.db")?;
        builder.finish(&self.name)
    }

    /// Everything but the database.
    ///
    /// # Errors
    /// Something that it names does not exist.
    pub fn start<'p>(&self, places: &'p Places) -> Result<Builder<'p>> {
        let spec = Spec::load(&self.content)?;
        let mut builder = Builder::new(places, &self.board, &spec.packages)?;
        builder.base()?;
        builder.jamb()?;
        for path in &spec.binaries {
            builder.program(path)?;
        }
        builder.busybox(&spec.busybox)?;
        builder.modules(&spec.modules)?;
        builder.content(&spec)?;
        Ok(builder)
    }
}

impl<'p> Builder<'p> {
    /// An empty image for a board, with packages at hand.
    ///
    /// # Errors
    /// The packages or the kernel cannot be had.
    pub fn new(places: &'p Places, board: &Board, packages: &[String]) -> Result<Self> {
        let kernel = Kernel::of(places, board)?;
        let packages = Archive::new(places, board.machine.arch).with_dependencies(packages)?;
        Ok(Self { places, board: board.clone(), kernel, packages, tree: Tree::default() })
    }

    /// Directories that programs take for granted, and the devices that the kernel itself needs before
    /// anything is mounted.
    ///
    /// # Errors
    /// They are there in another form.
    pub fn base(&mut self) -> Result<()> {
        const PART: &str = "directories";
        self.tree.add_merged_links()?;
        for path in ["/proc", "/sys", "/dev", "/run", "/var", "/etc"] {
            self.tree.add(path, Node::Directory, 0o755, PART)?;
        }
        self.tree.add("/tmp", Node::Directory, 0o1777, PART)?;
        self.tree.add("/root", Node::Directory, 0o700, PART)?;
        self.tree.add("/var/run", Node::Symlink("../run".into()), 0o777, PART)?;
        self.tree.add("/dev/console", Node::Character { major: 5, minor: 1 }, 0o600, PART)?;
        self.tree.add("/dev/null", Node::Character { major: 1, minor: 3 }, 0o666, PART)
    }

    /// jamb under all its names.
    ///
    /// # Errors
    /// It has not been built.
    pub fn jamb(&mut self) -> Result<()> {
        let jamb = self.places.jamb(self.board.machine.arch)?;
        self.tree.add_host("/sbin/jamb", &jamb, "jamb")?;
        for (link, target) in JAMB_LINKS {
            self.tree.add(link, Node::Symlink((*target).into()), 0o777, "jamb")?;
        }
        Ok(())
    }

    /// A program of the packages, its loader, and all libraries that it needs.
    ///
    /// # Errors
    /// One of them is in no package.
    pub fn program(&mut self, path: &str) -> Result<()> {
        let mut wanted = vec![path.to_owned()];
        while let Some(path) = wanted.pop() {
            if self.tree.holds(&path) {
                continue;
            }
            let (package, file) = self
                .packages
                .find(&path)
                .with_context(|| format!("{path} is in none of the packages of the image"))?;
            let needs = elf::needs(&file)?;
            let part = package.name.clone();
            self.tree.add_host(&path, &file, &part)?;
            wanted.extend(needs.loader);
            for name in needs.libraries {
                wanted.push(self.library(&name).with_context(|| format!("needed by {path}"))?);
            }
        }
        Ok(())
    }

    /// Where the loader will look; ld.so(8).
    fn library(&self, name: &str) -> Result<String> {
        let multiarch = self.board.machine.arch.multiarch();
        let candidates = [format!("/lib/{multiarch}/{name}"), format!("/lib/{name}")];
        candidates
            .into_iter()
            .find(|path| self.packages.find(path).is_some())
            .with_context(|| format!("the library {name} is in none of the packages of the image"))
    }

    /// Commands that are links to BusyBox.
    ///
    /// # Errors
    /// There is something else under such a name.
    pub fn busybox(&mut self, commands: &[String]) -> Result<()> {
        for command in commands {
            let link = Node::Symlink("busybox".into());
            self.tree.add(&format!("/bin/{command}"), link, 0o777, "busybox links")?;
        }
        Ok(())
    }

    /// The board's modules and these, what they need, `modules.dep`, `modules.builtin`, and
    /// `/etc/modules` in loading order.
    ///
    /// # Errors
    /// The kernel has no such module.
    pub fn modules(&mut self, more: &[String]) -> Result<()> {
        let wanted: Vec<String> = self.board.modules.iter().chain(more).cloned().collect();
        let order: Vec<Module> = self.kernel.modules.in_order(&wanted)?;
        let directory = format!("/lib/modules/{}", self.kernel.version);
        let part = "kernel modules";
        for module in &order {
            let path = format!("{directory}/{}", module.path);
            self.tree.add(&path, Node::Host(module.file.clone()), 0o644, part)?;
        }
        let dep = Node::Bytes(dep_file(&order).into_bytes());
        self.tree.add(&format!("{directory}/modules.dep"), dep, 0o644, part)?;
        let builtin = Node::Host(self.kernel.modules.builtin_file());
        self.tree.add(&format!("{directory}/modules.builtin"), builtin, 0o644, part)?;
        let names: String = order.iter().map(|module| format!("{}\n", module.name)).collect();
        self.tree.add("/etc/modules", Node::Bytes(names.into_bytes()), 0o644, part)
    }

    fn content(&mut self, spec: &Spec) -> Result<()> {
        const PART: &str = "configuration";
        for (path, mode) in &spec.directories {
            self.tree.add(path, Node::Directory, mode.0, "directories")?;
        }
        for (path, file) in &spec.files {
            let bytes = match (&file.text, &file.from) {
                (Some(text), None) => text.clone().into_bytes(),
                (None, Some(from)) => {
                    fs::read(from).with_context(|| format!("cannot read {}", from.display()))?
                }
                _ => bail!("the file {path} of the image needs either `text` or `from`"),
            };
            let mode = file.mode.map_or(0o644, |mode| mode.0);
            self.tree.add(path, Node::Bytes(bytes), mode, PART)?;
        }
        for (path, target) in &spec.symlinks {
            self.tree.add(path, Node::Symlink(target.clone()), 0o777, PART)?;
        }
        let accounts = [
            ("/etc/passwd", spec.passwd(), 0o644),
            ("/etc/group", spec.group(), 0o644),
            ("/etc/shadow", spec.shadow(), 0o600),
        ];
        for (path, text, mode) in accounts {
            self.tree.add(path, Node::Bytes(text.into_bytes()), mode, PART)?;
        }
        if let Some(user) = spec.users.get(&spec.ssh_user) {
            let home = user.home.as_deref().unwrap_or("/root");
            let key = keys::authorized(self.places)?;
            let directory = format!("{home}/.ssh");
            self.tree.add(&directory, Node::Directory, 0o700, "directories")?;
            let path = format!("{directory}/authorized_keys");
            self.tree.add(&path, Node::Bytes(key), 0o600, PART)?;
        }
        if !spec.ssh_host_key.is_empty() {
            let key = keys::host_key(self.places)?;
            self.tree.add(&spec.ssh_host_key, Node::Bytes(key), 0o600, PART)?;
        }
        Ok(())
    }

    /// Compiles the services for this image as it is now, above the shipped templates. What jambc says goes to stderr.
    ///
    /// # Errors
    /// A definition is wrong.
    pub fn compile(&self, recipe: &Recipe) -> Result<Vec<u8>> {
        let directory = self.places.images.join(&recipe.name);
        let root = directory.join("root");
        self.tree.materialise(&root)?;
        let database = directory.join("services.db");
        let mut command = Command::new(self.places.jambc()?);
        command
            .arg("compile")
            .arg(self.places.templates())
            .arg(&recipe.services)
            .arg("-o")
            .arg(&database);
        command.arg("--board").arg(&self.board.file);
        if recipe.is_checked {
            command.arg("--root").arg(&root);
        }
        if !command.status().context("cannot run jambc")?.success() {
            bail!("no image: the services in {} are not right", recipe.services.display());
        }
        fs::read(&database).with_context(|| format!("cannot read {}", database.display()))
    }

    /// Packs it into `target/images/NAME` and writes the size report beside it.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn finish(self, name: &str) -> Result<Image> {
        let directory = self.places.images.join(name);
        fs::create_dir_all(&directory)?;
        let archive = crate::cpio::archive(&self.tree)?;
        let packed = filter(Command::new("zstd").args(["-q", "-6", "-T0", "-c"]), &archive)?;
        let initrd = directory.join("initrd");
        fs::write(&initrd, &packed).context("cannot write the image")?;
        let report = Report::of(&self.tree, archive.len(), packed.len())?;
        let path = directory.join("image-report.txt");
        fs::write(&path, report.to_string()).context("cannot write the image's report")?;
        Ok(Image { kernel: self.kernel.image, initrd, report: path })
    }
}
