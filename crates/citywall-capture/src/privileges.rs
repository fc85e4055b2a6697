//! Giving up rights once the source of frames is open.
//!
//! Owns: capabilities(7), `no_new_privs` and the change of user. Does not own: when that is done.
//!
//! This module may use `unsafe`, because these calls have no safe interface in the standard library.
//! All of them take numbers, or structures that are filled here.
#![allow(unsafe_code)]

use std::io;

/// The highest capability number that could exist; those that the kernel does not know are skipped.
const CAPABILITIES: libc::c_ulong = 63;
/// Layout of the capability structures: version 3, two words of each set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Whom the process is to run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// Whoever it is; only capabilities are given up. A root without capabilities still owns
    /// root's files.
    Same,
    /// This user and group, where it is root; else as `Same`.
    User {
        /// User id.
        uid: u32,
        /// Group id; supplementary groups are given up.
        gid: u32,
    },
}

impl RunAs {
    /// The user and group `nobody` of most systems.
    pub const NOBODY: RunAs = RunAs::User {
        uid: 65534,
        gid: 65534,
    };
}

/// What was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The user that the process runs as now.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The user was changed.
    pub user_changed: bool,
}

/// A right that could not be given up. The process should end then.
#[derive(Debug, thiserror::Error)]
#[error("cannot give up rights: {step}: {error}")]
pub struct PrivilegeError {
    /// What was to be done.
    pub step: &'static str,
    /// What the kernel said.
    pub error: io::Error,
}

/// `__user_cap_header_struct` of linux/capability.h.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

/// `__user_cap_data_struct` of linux/capability.h.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every capability for good, forbids to gain any by executing a program, and leaves root
/// where wished. Then makes sure of it.
///
/// Call it after sources are open and **before** threads are started: capabilities belong to a
/// thread, and those started afterwards inherit what is left, which is nothing. Files that are
/// opened later (outputs, files that a reload reads) must be in reach of the user in `run_as`.
///
/// # Errors
/// Where a step fails, also that a user id is not mapped in this user namespace; some steps are done
/// then and others not.
pub fn drop_privileges(run_as: RunAs) -> Result<Dropped, PrivilegeError> {
    step(
        "forbidding new privileges",
        control(libc::PR_SET_NO_NEW_PRIVS, 1, 0),
    )?;
    clear_bounding_set()?;
    let user_changed = match run_as {
        RunAs::User { uid, gid } if user() == 0 && uid != 0 => change_user(uid, gid).map(|()| true)?,
        _ => false,
    };
    let ambient = control(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong,
        0,
    );
    // Kernels before 4.3 have no ambient set.
    step("clearing ambient capabilities", unless(ambient, &[libc::EINVAL]))?;
    step("clearing capabilities", set_no_capabilities())?;
    step("making sure that no capability is left", is_bare(user_changed))?;
    Ok(Dropped {
        uid: user(),
        gid: group(),
        user_changed,
    })
}

/// `CAP_NET_ADMIN` of capabilities(7).
const NET_ADMIN: u32 = 12;

/// Gives up every capability but `CAP_NET_ADMIN` for good, which programs executed later keep as
/// well, and leaves root where wished. Then makes sure of it.
///
/// For the process that alone may touch the kernel's tables. As [`drop_privileges`] before threads
/// are started.
///
/// # Errors
/// Where a step fails, also that `CAP_NET_ADMIN` is not there to be kept.
pub fn keep_net_admin(run_as: RunAs) -> Result<Dropped, PrivilegeError> {
    step(
        "forbidding new privileges",
        control(libc::PR_SET_NO_NEW_PRIVS, 1, 0),
    )?;
    clear_bounding_set_but(Some(NET_ADMIN))?;
    let user_changed = match run_as {
        RunAs::User { uid, gid } if user() == 0 && uid != 0 => {
            // A change of the user would clear the permitted set as well.
            step("keeping capabilities", control(libc::PR_SET_KEEPCAPS, 1, 0))?;
            change_user(uid, gid)?;
            step(
                "keeping no more capabilities",
                control(libc::PR_SET_KEEPCAPS, 0, 0),
            )?;
            true
        }
        _ => false,
    };
    let mut only = [CapData::default(); 2];
    only[0] = CapData {
        effective: 1 << NET_ADMIN,
        permitted: 1 << NET_ADMIN,
        inheritable: 1 << NET_ADMIN,
    };
    step("keeping CAP_NET_ADMIN", set_capabilities(&only))?;
    step(
        "handing CAP_NET_ADMIN on",
        control(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong,
            libc::c_ulong::from(NET_ADMIN),
        ),
    )?;
    step(
        "making sure that one capability is left",
        holds_only(&only, user_changed),
    )?;
    Ok(Dropped {
        uid: user(),
        gid: group(),
        user_changed,
    })
}

/// Takes every capability out of the set that programs executed later could gain from. Without the
/// right to do so there is nothing to be gained either: `no_new_privs` is set.
fn clear_bounding_set() -> Result<(), PrivilegeError> {
    clear_bounding_set_but(None)
}

fn clear_bounding_set_but(kept: Option<u32>) -> Result<(), PrivilegeError> {
    for capability in (0..=CAPABILITIES).filter(|c| kept.map(libc::c_ulong::from) != Some(*c)) {
        let dropped = control(libc::PR_CAPBSET_DROP, capability, 0);
        step(
            "clearing the bounding set",
            unless(dropped, &[libc::EPERM, libc::EINVAL]),
        )?;
    }
    Ok(())
}

fn change_user(uid: u32, gid: u32) -> Result<(), PrivilegeError> {
    // SAFETY: an empty list of groups is read from nowhere.
    step(
        "leaving supplementary groups",
        check(unsafe { libc::setgroups(0, std::ptr::null()) }),
    )?;
    // SAFETY: the calls take numbers only; the C library applies them to all threads.
    step(
        "changing the group",
        check(unsafe { libc::setresgid(gid, gid, gid) }),
    )?;
    // SAFETY: as above.
    step(
        "changing the user",
        check(unsafe { libc::setresuid(uid, uid, uid) }),
    )
}

fn set_no_capabilities() -> io::Result<()> {
    set_capabilities(&[CapData::default(); 2])
}

fn set_capabilities(sets: &[CapData; 2]) -> io::Result<()> {
    let header = CapHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    // SAFETY: version 3 reads one header and two data structures, which outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Fails where a capability is left, or where root could be had back.
fn is_bare(user_changed: bool) -> io::Result<()> {
    holds_only(&[CapData::default(); 2], user_changed)
}

/// Fails where other capabilities than these are left, or where root could be had back.
fn holds_only(sets: &[CapData; 2], user_changed: bool) -> io::Result<()> {
    let mut header = CapHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut left = [CapData::default(); 2];
    // SAFETY: version 3 reads and writes one header and writes two data structures, which outlive
    // the call.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, left.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if left != *sets {
        return Err(io::Error::other("other capabilities are left"));
    }
    // SAFETY: the call takes a number only. That it succeeds is what must not be.
    if user_changed && unsafe { libc::setuid(0) } == 0 {
        return Err(io::Error::other("root could be had back"));
    }
    Ok(())
}

fn user() -> u32 {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

fn group() -> u32 {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::getegid() }
}

fn control(option: libc::c_int, first: libc::c_ulong, second: libc::c_ulong) -> io::Result<()> {
    let zero: libc::c_ulong = 0;
    // SAFETY: the options used here take numbers only; those that are not used must be zero.
    check(unsafe { libc::prctl(option, first, second, zero, zero) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Takes these failures for success.
fn unless(result: io::Result<()>, expected: &[libc::c_int]) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error().is_some_and(|code| expected.contains(&code)) => Ok(()),
        other => other,
    }
}

fn step(step: &'static str, result: io::Result<()>) -> Result<(), PrivilegeError> {
    result.map_err(|error| PrivilegeError { step, error })
}
