// Switching between stacks: saves what a call preserves, on the stack it leaves. Assembly for x86-64 and
// aarch64; ucontext elsewhere.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) || defined(__aarch64__)

namespace shim {
struct Context {
    void *stack_pointer;
};
} // namespace shim

// Saves the registers and the stack's pointer to *from, and continues at `to`.
extern "C" void shim_switch(void **from, void *to);

#if defined(__x86_64__)
asm(R"(
    .text
    .p2align 4
    .type shim_switch, @function
shim_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size shim_switch, .-shim_switch
)");
#else
asm(R"(
    .text
    .p2align 4
    .type shim_switch, %function
shim_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size shim_switch, .-shim_switch
)");
#endif

namespace shim {
// Makes `context` one that begins in `entry`, which never returns, on the given stack.
inline void prepare(Context &context, char *stack, size_t size, void (*entry)()) {
    uintptr_t top = (uintptr_t)(stack + size) & ~(uintptr_t)15;
#if defined(__x86_64__)
    // Six registers and the address to return to; at `entry` the stack is off by 8, as after a call.
    void **words = (void **)top - 8;
    memset(words, 0, 8 * sizeof *words);
    words[6] = (void *)entry;
#else
    // Twenty registers; x30, where `ret` goes, is the twelfth.
    void **words = (void **)top - 20;
    memset(words, 0, 20 * sizeof *words);
    words[11] = (void *)entry;
#endif
    context.stack_pointer = words;
}

inline void switch_context(Context &from, Context &to) { shim_switch(&from.stack_pointer, to.stack_pointer); }
} // namespace shim

#else

#include <ucontext.h>
namespace shim {
typedef ucontext_t Context;
inline void prepare(Context &context, char *stack, size_t size, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}
inline void switch_context(Context &from, Context &to) { swapcontext(&from, &to); }
} // namespace shim

#endif
