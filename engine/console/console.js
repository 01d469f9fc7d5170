// Copies what stands in a field, and selects it when it is focused. All pages work without.
document.addEventListener('focusin', e => { if (e.target.matches('input[readonly]')) e.target.select() })
for (const b of document.querySelectorAll('button[data-copy]')) {
  b.hidden = false
  b.addEventListener('click', async () => {
    const field = document.getElementById(b.dataset.copy)
    try { await navigator.clipboard.writeText(field.value) } catch { field.select(); document.execCommand('copy') }
    b.textContent = 'Copied'
    setTimeout(() => { b.textContent = 'Copy' }, 2000)
  })
}
