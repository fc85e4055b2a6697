//! What a process of the wall may still ask of the kernel: seccomp(2) and landlock(7).
//!
//! Owns: the lists of system calls, folders and families of sockets for each process. Does not own:
//! capabilities (`citywall_capture::drop_privileges`), and when a process is confined.
//!
//! Both are inherited by programs that are executed. So the hand's list has what `nft` and
//! `iptables` need, and the holder's what the inline parser needs while it starts; once it has read
//! its files the parser takes nearly all of that away from itself. The sensor executes nothing.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// The newest kernel interface that the lists were written for; older kernels hold less back.
const LANDLOCK: ABI = ABI::V6;

/// Which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Holds the control socket and decides.
    Enforcer,
    /// Touches the kernel's tables.
    Hand,
    /// Holds the queues of the inline path, and starts parsers.
    Holder,
    /// Judges packets: all that it needs is open already.
    Parser,
    /// `citywall watch`: reads hostile bytes, tells what it saw. Its captures or rings are open already.
    Sensor,
    /// A command that reads captures, logs or other people's files, and says what is in them.
    Reader,
}

/// Folders, files and ports that a process may touch.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// May be read.
    pub read: Vec<PathBuf>,
    /// May be changed, and hold new files.
    pub write: Vec<PathBuf>,
    /// May be executed, and read.
    pub execute: Vec<PathBuf>,
    /// TCP ports that may be listened on; 0 is whichever the kernel gives.
    pub listen: Vec<u16>,
    /// TCP ports that may be connected to, at any address.
    pub connect: Vec<u16>,
    /// Families of sockets that may be made (`AF_INET` ...), besides those of the role.
    pub families: Vec<libc::c_int>,
}

impl Reach {
    /// Adds the folder that a file stands in: whoever edits a file mostly replaces it, and a rule on
    /// the file itself would stay with the one that was replaced.
    pub fn read_beside(&mut self, file: &Path) {
        self.read.push(folder(file));
        // A link leads to where the file is.
        if let Ok(linked) = file.canonicalize() {
            self.read.push(folder(&linked));
        }
    }

    /// Adds what finding a name's address reads (nsswitch.conf(5), resolv.conf(5)): these files are
    /// replaced while we run, and modules are loaded as they say.
    pub fn resolve_names(&mut self) {
        let folders = [
            "/etc",
            "/run/systemd/resolve",
            "/lib",
            "/lib64",
            "/usr/lib",
            "/usr/lib64",
        ];
        self.read.extend(folders.map(PathBuf::from));
        self.connect.push(53);
        self.families.extend([libc::AF_INET, libc::AF_INET6]);
    }

    /// Adds what every dynamically linked program needs in order to start.
    pub fn execute_programs(&mut self, programs: &[&str]) {
        let libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/libexec"];
        self.execute
            .extend(libraries.iter().chain(programs).map(PathBuf::from));
        self.read
            .extend(["/etc/ld.so.cache", "/etc/ld.so.preload"].map(PathBuf::from));
    }
}

/// The folder that a file stands in.
fn folder(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// Confines this thread and all that it starts, for good.
///
/// # Errors
/// Where the kernel refuses. A kernel without Landlock, or with an old one, is told in the log and
/// is no error: seccomp and the missing capabilities hold all the same.
pub fn confine(role: Role, reach: &Reach) -> anyhow::Result<()> {
    // A command of a moment does not say each time what `citywall doctor` says of this kernel.
    let level = match role {
        Role::Reader => log::Level::Debug,
        _ => log::Level::Warn,
    };
    match restrict_files(role, reach).context("cannot restrict files (Landlock)")? {
        RulesetStatus::FullyEnforced => {}
        RulesetStatus::PartiallyEnforced => {
            log::info!("this kernel's Landlock is old: files are restricted, not all else");
        }
        RulesetStatus::NotEnforced => {
            log::log!(
                level,
                "this kernel has no Landlock: files are restricted by their owners alone"
            );
        }
    }
    let filter = filter(role, reach).context("cannot make the list of system calls (seccomp)")?;
    match seccompiler::apply_filter(&filter) {
        // A kernel, or what stands in for one (valgrind), that does not know the call.
        Err(seccompiler::Error::Seccomp(error)) if error.raw_os_error() == Some(libc::ENOSYS) => {
            log::log!(
                level,
                "this kernel has no seccomp: system calls are restricted by rights alone"
            );
            Ok(())
        }
        applied => applied.context("cannot restrict system calls (seccomp)"),
    }
}

/// Confines a command that reads files of strangers: it starts no program, opens no connection, and writes in
/// the folders of these files alone.
///
/// # Errors
/// As [`confine`].
pub fn confine_reader<'a>(written: impl IntoIterator<Item = &'a PathBuf>) -> anyhow::Result<()> {
    let mut reach = Reach::default();
    reach.read.push("/".into());
    reach.write.extend(written.into_iter().map(|file| folder(file)));
    confine(Role::Reader, &reach)
}

/// What this kernel holds a process back by, in words, and whether that is all that is wished for. Tried
/// by a thread of its own, as there is no way back.
pub fn available() -> (bool, String) {
    let tried = std::thread::spawn(|| {
        let reach = Reach::default();
        let files = restrict_files(Role::Sensor, &reach);
        let calls = filter(Role::Sensor, &reach).map(|filter| seccompiler::apply_filter(&filter).is_ok());
        (files, calls.unwrap_or(false))
    });
    let Ok((files, calls)) = tried.join() else {
        return (false, "cannot be tried".into());
    };
    let (whole, files) = match files {
        Ok(RulesetStatus::FullyEnforced) => (true, "Landlock"),
        Ok(RulesetStatus::PartiallyEnforced) => (false, "an old Landlock (files, not all else)"),
        Ok(RulesetStatus::NotEnforced) | Err(_) => {
            (false, "no Landlock (files are restricted by their owners alone)")
        }
    };
    (
        whole && calls,
        format!("{files}, {}", if calls { "seccomp" } else { "no seccomp" }),
    )
}

fn restrict_files(role: Role, reach: &Reach) -> anyhow::Result<RulesetStatus> {
    let read = AccessFs::from_read(LANDLOCK) & !AccessFs::Execute;
    let execute = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let devices: &[&str] = match role {
        Role::Parser => &[],
        _ => &["/dev/null", "/dev/zero", "/dev/urandom", "/dev/full"],
    };
    let ports = |ports: &[u16], access| {
        let rules: Vec<Result<NetPort, RulesetError>> =
            ports.iter().map(|port| Ok(NetPort::new(*port, access))).collect();
        rules
    };
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rules(path_beneath_rules(&reach.read, read))?
        .add_rules(path_beneath_rules(&reach.execute, execute))?
        .add_rules(path_beneath_rules(
            &reach.write,
            AccessFs::from_all(LANDLOCK) & !AccessFs::Execute,
        ))?
        .add_rules(path_beneath_rules(
            devices,
            AccessFs::ReadFile | AccessFs::WriteFile,
        ))?
        .add_rules(ports(&reach.listen, AccessNet::BindTcp))?
        .add_rules(ports(&reach.connect, AccessNet::ConnectTcp))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// What the parser asks for, and nothing else: memory, its two sockets, the ring's two events, the
/// clock, its end.
const PARSER: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    // A city file comes as a descriptor.
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_ppoll,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// Memory that is asked for or changed: never to be executed.
const MAPS: &[libc::c_long] = &[libc::SYS_mmap, libc::SYS_mprotect];

/// What any of the others and what they start asks for.
const COMMON: &[libc::c_long] = &[
    // Memory and threads.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_kill,
    libc::SYS_tgkill,
    // Who and when.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getcwd,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_prctl,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_prlimit64,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    // Files; which ones is Landlock's.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_flock,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // Sockets that are open already, and pairs.
    libc::SYS_socketpair,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
];

/// What starting programs takes; which ones is Landlock's.
const PROGRAMS: &[libc::c_long] = &[
    libc::SYS_execve,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_capget,
    libc::SYS_capset,
    libc::SYS_seccomp,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

/// The old forms, which only this architecture has.
#[cfg(target_arch = "x86_64")]
const OLD: &[libc::c_long] = &[
    libc::SYS_arch_prctl,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_time,
    libc::SYS_getpgrp,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[libc::c_long] = &[];

/// What changing files takes, and taking connections: for the enforcer's state and the sensor's outputs.
const STATE: &[libc::c_long] = &[
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_umask,
    libc::SYS_chdir,
    libc::SYS_accept4,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
];

/// What the hand asks for besides: netlink. `bind`, as netlink sockets have names.
const HAND: &[libc::c_long] = &[libc::SYS_bind, libc::SYS_connect, libc::SYS_umask];

/// What the holder asks for besides: the memory that it shares with the parser.
const HOLDER: &[libc::c_long] = &[libc::SYS_memfd_create, libc::SYS_ftruncate, libc::SYS_mlock];

/// What sending and listening takes, where a sensor does: which ports is Landlock's.
const NETWORK: &[libc::c_long] = &[libc::SYS_bind, libc::SYS_connect, libc::SYS_listen];

/// Families of sockets that may be made.
fn families(role: Role) -> &'static [libc::c_int] {
    match role {
        Role::Hand => &[libc::AF_NETLINK],
        Role::Enforcer | Role::Holder | Role::Parser | Role::Sensor | Role::Reader => &[],
    }
}

fn filter(role: Role, reach: &Reach) -> anyhow::Result<BpfProgram> {
    let network = if reach.families.is_empty() {
        &[][..]
    } else {
        NETWORK
    };
    let lists: &[&[libc::c_long]] = match role {
        Role::Enforcer => &[COMMON, PROGRAMS, OLD, STATE],
        Role::Hand => &[COMMON, PROGRAMS, OLD, HAND],
        Role::Holder => &[COMMON, PROGRAMS, OLD, HOLDER],
        Role::Parser => &[PARSER],
        Role::Sensor | Role::Reader => &[COMMON, OLD, STATE, network],
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in lists.iter().copied().flatten() {
        rules.insert(*call, Vec::new());
    }
    // A sensor that finds names' addresses loads modules for that.
    if matches!(role, Role::Parser | Role::Reader) || (role == Role::Sensor && reach.families.is_empty()) {
        let executed = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        for call in MAPS {
            let never = SeccompCondition::new(2, SeccompCmpArgLen::Dword, executed.clone(), 0)?;
            rules.insert(*call, vec![SeccompRule::new(vec![never])?]);
        }
    }
    let mut sockets = Vec::new();
    for family in families(role).iter().chain(&reach.families) {
        let family = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *family as u64)?;
        sockets.push(SeccompRule::new(vec![family])?);
    }
    if !sockets.is_empty() {
        rules.insert(libc::SYS_socket, sockets);
    }
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(|_| anyhow::anyhow!("no list of system calls for {}", std::env::consts::ARCH))?;
    // Refused, not killed: a library that probes for something new then uses what is old.
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        arch,
    )?;
    Ok(filter.try_into()?)
}

/// Tries what must not work, and names what worked all the same. For `--probe` of `citywall enforce`
/// and `citywall inline`, which tests run.
pub fn probe(role: Role) -> Vec<&'static str> {
    let mut open = Vec::new();
    let mut tried = |what, worked: bool| {
        if worked {
            open.push(what);
        }
    };
    tried("a TCP socket", std::net::TcpListener::bind("127.0.0.1:0").is_ok());
    tried("a UDP socket", std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
    let unix = std::env::temp_dir().join(format!("citywall-probe-{}", std::process::id()));
    tried(
        "a Unix socket",
        std::os::unix::net::UnixListener::bind(&unix).is_ok(),
    );
    tried(
        "a new file in the temporary folder",
        std::fs::write(&unix, "x").is_ok(),
    );
    tried("the list of a home folder", std::fs::read_dir("/home").is_ok());
    tried(
        "a shell",
        std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg("exit 0")
            .status()
            .is_ok(),
    );
    tried("a mount", rustix::process::chroot("/").is_ok());
    let parent = std::os::unix::process::parent_id();
    tried(
        "a look into another process",
        std::fs::read(format!("/proc/{parent}/maps")).is_ok(),
    );
    if role == Role::Parser {
        tried("a file", std::fs::File::open("/etc/passwd").is_ok());
        tried("a device", std::fs::File::open("/dev/null").is_ok());
        tried("a thread", std::thread::Builder::new().spawn(|| ()).is_ok());
        tried("a pair of sockets", UnixStream::pair().is_ok());
        let me = rustix::process::getpid();
        let harmless = rustix::process::test_kill_process(me);
        tried("a signal", harmless.is_ok());
    }
    if role != Role::Hand {
        use rustix::net::{AddressFamily, SocketType, netlink, socket};
        let netlink = socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::NETFILTER));
        tried("a netlink socket", netlink.is_ok());
    }
    open
}
