# Runs a program in a root: enter_root.sh ROOT USER PROGRAM... It is started in mounts and processes of its own.
set -eu
root=$1 user=$2
shift 2
# A mount of its own, as rpm's plugins expect of /.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
exec chroot --userspec="$user:$user" "$root" "$@"
